"""What does the driver cost for each sample, and how much do further actors add?

    python benchmarks/driver_cost.py [--most 10000000] [--executed 100000] [--rate 10]

planned: `factory plan` counts a recipe of so many samples without making any. Its CPU seconds and
peak memory are measured, each in a process of its own.
executed: the shards of such a plan are made, checked against an empty ledger and handed to workers
that do nothing, in this process (serial) and on one Ray actor, with one sample a shard as on a disk
and eight as in a bucket. The CPU time of the driver for each sample is measured, with its threads.
stands: the cost of a resume if all those shards are finished, by the names in the ledger alone.
rate: samples a minute of 1 and of 2 actors, and of 1 whose stages overlap, from the command to its
end and from the first finished sample to the last; and of the renderer alone, in one process and in
two at once, on the same cases.
CPU times are those of the process itself, so a busy machine matters little. The rate is wall-clock
time: measure it on a quiet machine.

Written: driver_cost.json, .md and .png.
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from report_table import write_results

RECIPE = "hydrocephalus"
ONE_LOOK = "groups=null"  # all samples are painted by the network
GRADES = 5  # cases a subject of it
SPACING = "output.spacing_mm=2"  # of what is rendered


class Idle:
    """A worker that does nothing; it is its own dataset and writer, and stores nothing."""

    def __init__(self) -> None:
        self.dataset = self

    def setup(self) -> None:
        """Do nothing."""

    def prefetch(self, cases: Any) -> None:
        """Do nothing."""

    def render(self, case: Any) -> None:
        """Do nothing."""

    def shard_writer(self, *shard: int) -> "Idle":
        """Return itself."""
        return self

    def add(self, sample: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def recipe_of(samples: int, *changes: str) -> Any:
    """Load the recipe with about so many samples."""
    from factory.config.loading import load_document
    from factory.lookup import find_recipe
    from factory.schema.render_recipe import RenderRecipe

    count = f"subjects.phantom.count={max(1, samples // GRADES)}"
    return load_document(find_recipe(RECIPE), RenderRecipe, [ONE_LOOK, count, *changes])


def plan_of(samples: int) -> Any:
    """Plan the recipe with about so many samples."""
    from factory.planning.machine import UNLIMITED
    from factory.planning.plan import make_plan
    from factory.rendering.model_set import ModelSet

    recipe = recipe_of(samples)
    networks = ModelSet.of(recipe)
    return make_plan(recipe, networks.card, networks.bytes, UNLIMITED)


def planned(samples: int) -> dict[str, float]:
    """Measure the planning of so many samples."""
    begun = time.process_time()
    plan = plan_of(samples)
    next(plan.shards())
    return {"seconds": time.process_time() - begun, "samples": plan.layout.samples}


def executed(samples: int, on_ray: bool, per_shard: int = 1) -> dict[str, float]:
    """Measure the driver on so many samples that are rendered by idle workers."""
    from factory.execution.options import RunOptions
    from factory.execution.ray.session import ray_session
    from factory.execution.run import execute

    plan = plan_of(samples)
    worker: Any = Idle
    plan = replace(plan, layout=replace(plan.layout, samples_per_shard=per_shard))
    run = functools.partial(execute, plan.remaining(), worker, samples=plan.layout.samples)
    if on_ray:
        with ray_session(None, 1):
            begun, wall = time.process_time(), time.perf_counter()
            run(run=RunOptions(actors=1, progress=False))
            return cost(samples, begun, wall)
    begun, wall = time.process_time(), time.perf_counter()
    run(run=RunOptions(serial=True, progress=False))
    return cost(samples, begun, wall)


def stands(samples: int) -> dict[str, float]:
    """Measure a resume if all samples are finished; ledger entries are empty, as none is read."""
    from factory.storage.dataset import ledger
    from factory.storage.dataset.dataset import Dataset

    plan = plan_of(samples)
    with tempfile.TemporaryDirectory(prefix="driver-cost-") as folder:
        place = Path(folder) / ledger.LEDGER
        place.mkdir()
        for shard in plan.shards():
            digest = ledger.cases_digest([case.to_json() for case in shard.cases])
            (place / ledger.entry_name(shard.index, digest, False)).touch()
        record: Any = {}
        dataset = Dataset(folder, plan.layout, record)
        begun, wall = time.process_time(), time.perf_counter()
        assert len(dataset.finished_shards(plan.shards())) == plan.layout.shards
        return cost(samples, begun, wall)


def cost(samples: int, begun: float, wall: float) -> dict[str, float]:
    """Return the CPU and wall time of a sample in ms."""
    seconds = time.process_time() - begun
    return {
        "ms": 1e3 * seconds / samples,
        "wall_ms": 1e3 * (time.perf_counter() - wall) / samples,
    }


def bare(samples: int) -> dict[str, float]:
    """Measure the samples a minute of the renderer, called in this process."""
    from factory.planning.cases import iterate_cases
    from factory.rendering.model_set import ModelSet

    recipe = recipe_of(samples, SPACING)
    cases = list(iterate_cases(recipe))
    render = ModelSet.of(recipe).loader("cpu")(1).render
    render(cases[0])  # warm
    begun = time.perf_counter()
    for case in cases:
        render(case)
    return {"bare": 60 * len(cases) / (time.perf_counter() - begun)}


def rate(samples: int) -> dict[str, float]:
    """Measure samples a minute of the renderer alone and of actors, on the same cases.

    The renderer runs in one process, and in two at once, which is the most that this machine can do
    for two actors. Then one actor, one whose stages overlap, and two are measured.
    """
    from factory.api import load_recipe, render
    from factory.execution.options import RenderOptions, RunOptions

    changes = [ONE_LOOK, f"subjects.phantom.count={max(1, samples // GRADES)}", SPACING]
    count = max(1, samples // GRADES) * GRADES
    alone = started("bare", samples)
    results = {"bare": result_of(alone)["bare"]}
    two = [started("bare", samples) for _ in range(2)]
    results["bare, two processes"] = sum(result_of(one)["bare"] for one in two)
    with tempfile.TemporaryDirectory(prefix="driver-cost-") as folder:
        for who, actors, overlap in (
            ("1 actor", 1, False),
            ("1 actor, stages overlapping", 1, True),
            ("2 actors", 2, False),
        ):
            begun, path = time.perf_counter(), f"{folder}/{who}.zarr"
            options = RenderOptions(overlap=overlap, run=RunOptions(actors=actors, progress=False))
            render(load_recipe(RECIPE, changes), output=path, options=options)
            results[who] = 60 * count / (time.perf_counter() - begun)
            stood = sorted(entry.stat().st_mtime for entry in Path(path, "ledger").glob("*.json"))
            results[f"{who}, once at work"] = 60 * (count - 1) / (stood[-1] - stood[0])
    return results


MEASURES: dict[str, Callable[[int], dict[str, float]]] = {
    "planned": planned,
    "serial": functools.partial(executed, on_ray=False),
    "ray": functools.partial(executed, on_ray=True),
    "bucket": functools.partial(executed, on_ray=True, per_shard=8),
    "stands": stands,
    "bare": bare,
    "rate": rate,
}


def started(what: str, samples: int) -> subprocess.Popen[str]:
    """Start one measurement in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, "--measure", what, str(samples)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def result_of(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for a measurement; return its figures, with the peak of its memory."""
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(printed.splitlines()[-1])


def measured(what: str, samples: int) -> dict[str, float]:
    """Run one measurement, and print it to stderr."""
    values = result_of(started(what, samples))
    print(f"{what} {samples}: {values}", file=sys.stderr)
    return values


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| samples | planned (CPU s) | MB | a sample, serial (ms) | on Ray, 1 a shard (ms) | MB "
        "| 8 a shard (ms) | MB | all stand (ms) | MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for samples, plan in results["planned"].items():
        cells = [f"{plan['seconds']:.2f}", f"{plan['peak_mb']:.0f}"]
        for what in ("serial", "ray", "bucket", "stands"):
            one = results[what].get(samples)
            cells.append(f"{one['ms']:.3f}" if one else "")
            if what != "serial":
                cells.append(f"{one['peak_mb']:.0f}" if one else "")
        lines.append(f"| {int(samples):,} | {' | '.join(cells)} |")
    for name, value in (results["rate"] or {}).items():
        if name != "peak_mb":
            lines.append(f"\n{name}: {value:.2f} samples a minute")
    return "\n".join(lines)


def picture(results: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Plot the results as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (axis, rates) = plt.subplots(
        1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=(2, 1)
    )
    each = {n: 1e3 * one["seconds"] / int(n) for n, one in results["planned"].items()}
    axis.loglog([int(n) for n in each], list(each.values()), "o-", label="planned")
    for what, label in (
        ("serial", "executed, in this process"),
        ("ray", "executed, on one Ray actor, 1 a shard"),
        ("bucket", "executed, on one Ray actor, 8 a shard"),
        ("stands", "resumed, all standing"),
    ):
        points = {int(n): one["ms"] for n, one in results[what].items()}
        axis.loglog(list(points), list(points.values()), "o-", label=label)
    axis.axhline(1, color="black", linestyle=":", label="1 ms")
    axis.set_xlabel("samples")
    axis.set_ylabel("the driver's CPU time a sample (ms)")
    axis.grid(alpha=0.3)
    axis.legend()
    bars = {name: value for name, value in results["rate"].items() if name != "peak_mb"}
    rates.barh(list(bars), list(bars.values()), color="0.5")
    rates.invert_yaxis()
    rates.set_xlabel("samples a minute")
    rates.tick_params(axis="y", labelsize=7)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run all measurements, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=10**7, help="samples planned at the most")
    parser.add_argument("--executed", type=int, default=10**5, help="and executed")
    parser.add_argument("--rate", type=int, default=10, help="rendered; 0 leaves that out")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, samples = options.measure
        values = MEASURES[what](int(samples))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**values, "peak_mb": peak}))
        return
    sizes = [10**k for k in range(3, 8)]
    results: dict[str, Any] = {
        "planned": {str(n): measured("planned", n) for n in sizes if n <= options.most}
    }
    for what in ("serial", "ray", "bucket", "stands"):
        results[what] = {str(n): measured(what, n) for n in sizes if n <= options.executed}
    results["rate"] = measured("rate", options.rate) if options.rate else {}
    write_results(options.into, "driver_cost", results, table(results))
    picture(results, options.into / "driver_cost.png")
    print(table(results))


if __name__ == "__main__":
    main()
