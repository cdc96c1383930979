"""Where the time of `factory render` goes, and how much of it is the generator's.

    python benchmarks/render_stages.py [RECIPE] [--subjects 3] [--set KEY=VALUE ...] [--into DIR]

The recipe is rendered in this process into a dataset on this disk, and the time of each stage is
measured, without that of the stages that it calls. Then the generator draws the same slices again
with nothing around it. Reported are the seconds of each stage, the share of the generator alone in
the whole (models loaded in both), and the cost of starting. Then all is rendered again with stages
that overlap, as on a machine with free cores or a GPU: for which share of the time between the
first slice and the last does the generator work?

Written: render_stages.json, .md and .png.
"""

import argparse
import functools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from matplotlib.figure import Figure
from report_table import write_results

from factory.api import load_recipe
from factory.api import render as render_recipe
from factory.config.loading import load_document
from factory.execution.options import RenderOptions, RunOptions
from factory.families.spade import volume_painter as painting
from factory.lookup import find_recipe
from factory.models import fusion_rules as fusion
from factory.rendering import renderer as render
from factory.rendering import subject_editor as editing
from factory.schema.render_recipe import RenderRecipe
from factory.storage.dataset import shard_writer

GENERATOR = "generator"
STAGES = [
    (editing.SubjectEditor, "subject", "subjects read or made"),
    (editing.SubjectEditor, "load_and_edit", "label edits"),
    (painting.SpadePainter, "draw", GENERATOR),
    (painting.SpadePainter, "paint", "planes cut and put back"),
    (painting.SpadePainter, "fuse", "fusion"),
    (fusion, "disagreement", "fusion"),
    (render, "measure", "measures"),
    (render, "outside_training", "measures"),
    (render, "acquire_stacks", "scanner"),
    (shard_writer.ShardWriter, "add", "encoding"),
    (shard_writer.ShardWriter, "close", "writing"),
    (render.Renderer, "render", "between them"),
]


class Clock:
    """The seconds of each stage, without those of the stages that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.within: list[float] = []
        self.drawn: list[tuple[Any, ...]] = []
        self.first, self.last = float("inf"), 0.0

    def about(self, run: Any, stage: str) -> Any:
        """Return a function that runs another and counts its seconds for a stage."""

        @functools.wraps(run)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            if stage == GENERATOR:
                self.drawn.append(arguments)
            self.within.append(0.0)
            begun = time.perf_counter()
            try:
                return run(*arguments, **keywords)
            finally:
                ended = time.perf_counter()
                duration = ended - begun
                if stage == GENERATOR:
                    self.first, self.last = min(self.first, begun), ended
                self.seconds[stage] += duration - self.within.pop()
                if self.within:
                    self.within[-1] += duration

        return timed


@contextmanager
def clocked(stages: list[tuple[Any, str, str]]) -> Iterator[Clock]:
    """Count the seconds of some stages while the block lasts."""
    clock = Clock()
    with ExitStack() as patches:
        for owner, name, stage in stages:
            timed = clock.about(getattr(owner, name), stage)
            patches.enter_context(patch.object(owner, name, timed))
        yield clock


def rendered(recipe: str, changes: list[str], overlap: bool) -> tuple[int, float]:
    """Render a recipe; return the number of samples and the seconds."""
    with tempfile.TemporaryDirectory(prefix="stages-") as folder:
        begun = time.perf_counter()
        options = RenderOptions(overlap=overlap, run=RunOptions(serial=True, progress=False))
        loaded = load_recipe(recipe, changes)
        report = render_recipe(loaded, output=f"{folder}/d.zarr", options=options)
        return report.rendered, time.perf_counter() - begun


def measured(recipe: str, changes: list[str]) -> dict[str, Any]:
    """Measure a recipe; return the figures by name."""
    with clocked(STAGES) as clock:
        samples, total = rendered(recipe, changes, overlap=False)
    stages = dict(clock.seconds)
    begun = time.perf_counter()
    for arguments in clock.drawn:
        painting.SpadePainter.draw(*arguments)
    bare = time.perf_counter() - begun
    with clocked([stage for stage in STAGES if stage[2] == GENERATOR]) as beside:
        rendered(recipe, changes, overlap=True)
    rendering = sum(stages.values())
    return {
        "recipe": recipe, "changes": changes, "samples": samples, "stages": stages,
        "bare": bare, "rendering": rendering, "starting": total - rendering,
        "bare_share": bare / rendering,
        "busy_share_overlapping": beside.seconds[GENERATOR] / (beside.last - beside.first),
    }  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [f"{results['samples']} samples of {results['recipe']}", "", "| stage | s | share |"]
    lines.append("|---|---|---|")
    for stage, seconds in sorted(results["stages"].items(), key=lambda pair: -pair[1]):
        lines.append(f"| {stage} | {seconds:.2f} | {seconds / results['rendering']:.1%} |")
    lines.append(f"| **all** | {results['rendering']:.2f} | |")
    lines.append(f"| generator, bare | {results['bare']:.2f} | {results['bare_share']:.1%} |")
    lines.append(f"| at work, stages overlapping | | {results['busy_share_overlapping']:.1%} |")
    lines.append(f"| once: start, load, plan, seal | {results['starting']:.2f} | |")
    return "\n".join(lines)


def picture(results: dict[str, Any], path: Path) -> None:
    """Draw the seconds of each stage as a PNG."""
    stages = sorted(results["stages"].items(), key=lambda pair: pair[1])
    figure = Figure(figsize=(7, 0.35 * len(stages) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in stages], [seconds for _, seconds in stages], color="tab:blue")
    axes.axvline(results["bare"], color="black", linestyle=":", label="generator, bare")
    axes.set_xlabel(f"seconds for {results['samples']} samples")
    axes.legend()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure the recipe, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="hydrocephalus")
    parser.add_argument(
        "--subjects", type=int, default=3, help="of a procedural recipe; 0: its own"
    )
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    count = [f"subjects.phantom.count={options.subjects}"] if options.subjects else []
    count += ["groups=null"] if options.recipe == "hydrocephalus" else []  # painted by the network
    load_document(
        find_recipe(options.recipe), RenderRecipe, [*count, *options.set]
    )  # says what is wrong first
    results = measured(options.recipe, [*count, *options.set])
    write_results(options.into, "render_stages", results, table(results))
    picture(results, options.into / "render_stages.png")
    print(table(results), file=sys.stdout)


if __name__ == "__main__":
    main()
