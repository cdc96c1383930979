"""Where the time of `factory render` goes, and how much of it is the generator's.

    python benchmarks/render_stages.py [RECIPE] [--subjects 3] [--set KEY=VALUE ...] [--into DIR]

The recipe is rendered in this process into a dataset on this disk, with a clock about each stage
(a stage's time is its own: what it calls is another's). Then the generator draws the very same
slices again with nothing about it: the bare forward. Given: seconds by stage; bare ÷ whole, models
loaded in both; and what starting costs once. Then all is rendered again with stages that overlap,
as where cores are left or a GPU draws: how much of the time between the first slice and the last
the generator is at work. Written: render_stages.json, .md and .png.
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
from report_table import keep

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
    """Seconds by stage, each stage's own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.within: list[float] = []
        self.drawn: list[tuple[Any, ...]] = []
        self.first, self.last = float("inf"), 0.0

    def about(self, run: Any, stage: str) -> Any:
        @functools.wraps(run)
        def timed(*given: Any, **named: Any) -> Any:
            if stage == GENERATOR:
                self.drawn.append(given)
            self.within.append(0.0)
            begun = time.perf_counter()
            try:
                return run(*given, **named)
            finally:
                ended = time.perf_counter()
                whole = ended - begun
                if stage == GENERATOR:
                    self.first, self.last = min(self.first, begun), ended
                self.seconds[stage] += whole - self.within.pop()
                if self.within:
                    self.within[-1] += whole

        return timed


@contextmanager
def clocked(stages: list[tuple[Any, str, str]]) -> Iterator[Clock]:
    clock = Clock()
    with ExitStack() as patches:
        for owner, name, stage in stages:
            timed = clock.about(getattr(owner, name), stage)
            patches.enter_context(patch.object(owner, name, timed))
        yield clock


def rendered(recipe: str, changes: list[str], overlap: bool) -> tuple[int, float]:
    """How many samples, and the seconds they took."""
    with tempfile.TemporaryDirectory(prefix="stages-") as folder:
        begun = time.perf_counter()
        options = RenderOptions(overlap=overlap, run=RunOptions(serial=True, progress=False))
        found = load_recipe(recipe, changes)
        report = render_recipe(found, output=f"{folder}/d.zarr", options=options)
        return report.rendered, time.perf_counter() - begun


def measured(recipe: str, changes: list[str]) -> dict[str, Any]:
    with clocked(STAGES) as clock:
        samples, whole = rendered(recipe, changes, overlap=False)
    stages = dict(clock.seconds)
    begun = time.perf_counter()
    for given in clock.drawn:
        painting.SpadePainter.draw(*given)
    bare = time.perf_counter() - begun
    with clocked([stage for stage in STAGES if stage[2] == GENERATOR]) as beside:
        rendered(recipe, changes, overlap=True)
    rendering = sum(stages.values())
    return {
        "recipe": recipe, "changes": changes, "samples": samples, "stages": stages,
        "bare": bare, "rendering": rendering, "starting": whole - rendering,
        "bare_share": bare / rendering,
        "busy_share_overlapping": beside.seconds[GENERATOR] / (beside.last - beside.first),
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    lines = [f"{found['samples']} samples of {found['recipe']}", "", "| stage | s | share |"]
    lines.append("|---|---|---|")
    for stage, seconds in sorted(found["stages"].items(), key=lambda pair: -pair[1]):
        lines.append(f"| {stage} | {seconds:.2f} | {seconds / found['rendering']:.1%} |")
    lines.append(f"| **all** | {found['rendering']:.2f} | |")
    lines.append(f"| generator, bare | {found['bare']:.2f} | {found['bare_share']:.1%} |")
    lines.append(f"| at work, stages overlapping | | {found['busy_share_overlapping']:.1%} |")
    lines.append(f"| once: start, load, plan, seal | {found['starting']:.2f} | |")
    return "\n".join(lines)


def picture(found: dict[str, Any], path: Path) -> None:
    stages = sorted(found["stages"].items(), key=lambda pair: pair[1])
    figure = Figure(figsize=(7, 0.35 * len(stages) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in stages], [seconds for _, seconds in stages], color="tab:blue")
    axes.axvline(found["bare"], color="black", linestyle=":", label="generator, bare")
    axes.set_xlabel(f"seconds for {found['samples']} samples")
    axes.legend()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="hydrocephalus")
    parser.add_argument(
        "--subjects", type=int, default=3, help="of a procedural recipe; 0: its own"
    )
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    asked = parser.parse_args()
    count = [f"subjects.phantom.count={asked.subjects}"] if asked.subjects else []
    load_document(
        find_recipe(asked.recipe), RenderRecipe, [*count, *asked.set]
    )  # says what is wrong first
    found = measured(asked.recipe, [*count, *asked.set])
    keep(asked.into, "render_stages", found, table(found))
    picture(found, asked.into / "render_stages.png")
    print(table(found), file=sys.stdout)


if __name__ == "__main__":
    main()
