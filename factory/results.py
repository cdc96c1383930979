"""What each verb of the command line has to say: as JSON, and as lines to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factory.planning.grid import voxel_text
from factory.planning.plan import Plan
from factory.schema.gate import gate_text
from factory.storage.dataset.dataset import Dataset
from factory.text import duration_text, size_text


@dataclass(frozen=True)
class PlanReport:
    """A plan, and what to say of it. complete, digest: of what stands at the output already."""

    plan: Plan
    complete: bool = False
    digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**self.plan.to_json(), "complete": self.complete, "digest": self.digest}

    def lines(self) -> list[str]:
        p, layout = self.plan, self.plan.layout
        size = " × ".join(map(str, layout.shape))
        return [
            f"recipe   {p.recipe.source} (digest {p.recipe.digest[:12]})",
            f"output   {p.recipe.spec.output.path}: {', '.join(layout.arrays)}",
            f"samples  {layout.samples} of {size} voxels, {voxel_text(p.recipe)} (z, y, x)",
            *_stacks(p),
            f"layout   {layout.samples_per_shard} a shard, in bricks of "
            f"{' × '.join(map(str, layout.brick_of('image')))} voxels",
            f"shards   {layout.shards}, of which {len(p.finished_shards)} are done"
            + (f"; {p.kept_samples} samples stay as they are" if p.kept_samples else ""),
            f"size     {size_text(p.raw_bytes)}, compressed about {size_text(p.stored_bytes)}",
            f"memory   {size_text(p.peak_memory_bytes)} at the peak: {p.actors} renderers "
            f"of {size_text(p.memory_per_actor)}, {p.threads} thread each"
            + (", label edits and writing beside it" if p.overlap else ""),
            f"time     about {duration_text(p.seconds)}",
            *_gate(p),
            *(f"warning  {warning}" for warning in p.warnings),
        ]


@dataclass(frozen=True)
class RenderReport:
    """A finished dataset. preview: the picture written beside it. failures: samples that could not
    be rendered, and why. rejected: samples that never passed the gate, and why.
    """

    dataset: Dataset
    rendered: int
    seconds: float
    preview: str | None
    failures: dict[int, str] = field(default_factory=dict)
    rejected: Mapping[int, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.dataset.path,
            "complete": self.dataset.is_complete(),
            "samples": self.dataset.layout.samples,
            "rendered": self.rendered,
            "seconds": round(self.seconds, 1),
            "digest": self.dataset.digest(),
            "preview": self.preview,
            "failures": failures_json(self.failures),
            "rejected": [{"sample": i, "why": why} for i, why in self.rejected.items()],
        }

    def lines(self) -> list[str]:
        path, layout = self.dataset.path, self.dataset.layout
        opened = f"import zarr; g = zarr.open('{path}'); print(g['image'][0], g['label'][0])"
        return [
            f"{layout.samples} samples, {self.rendered} of them made now "
            f"in {duration_text(self.seconds)}",
            *failure_lines(self.failures),
            *_rejected(self.rejected),
            f"dataset  {path}",
            *([f"preview  {self.preview}  (any picture viewer)"] if self.preview else []),
            f'open     python -c "{opened}"',
            f"look     factory inspect {path}",
        ]


@dataclass(frozen=True)
class TrainReport:
    """A finished training. model: the folder of its weights and card. use: how a render recipe
    takes it."""

    model: Path
    use: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"model": str(self.model), "complete": True}

    def lines(self) -> list[str]:
        lines = [f"model    {self.model}"]
        if self.use:
            lines.append(f"use      factory render {self.use.format(self.model)}")
        return lines


@dataclass(frozen=True)
class EvaluateReport:
    """Scores of a model or dataset. table: of its own making, and text: its lines. folder: where
    pictures and tables were written. remarks: what was left out or taken for granted. further: what
    else JSON holds. share: of samples that are close to a training image, where that was asked."""

    table: Any
    folder: Path
    text: list[str]
    remarks: Sequence[str] = ()
    further: Mapping[str, Any] = field(default_factory=dict)
    share: float | None = None

    def to_json(self) -> dict[str, Any]:
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        said = {"remarks": list(self.remarks)} if self.remarks else {}
        return {"rows": rows, "folder": str(self.folder), **said, **self.further}

    def lines(self) -> list[str]:
        return [*self.text, *(f"note     {r}" for r in self.remarks), f"written  {self.folder}"]


def _stacks(made: Plan) -> list[str]:
    """The stacks of a plan, a line each."""
    layout, acquisition = made.layout, made.recipe.spec.acquisition
    if acquisition is None or acquisition.stacks is None:
        return []
    return [
        f"{name:<8} {orientation}, {' × '.join(map(str, layout.shape_of(name)))} voxels "
        "(slices, rows, columns) at the most"
        for name, orientation in zip(layout.stacks, acquisition.stacks.orientations, strict=True)
    ]


def failures_json(failures: Mapping[int, str]) -> list[dict[str, Any]]:
    """Samples that could not be rendered, as reports print them."""
    return [{"sample": sample, "why": why} for sample, why in sorted(failures.items())]


def failure_lines(failures: Mapping[int, str]) -> list[str]:
    """Samples that could not be rendered, a line each, twenty at most."""
    if not failures:
        return []
    shown = [f"failed   sample {sample}: {why}" for sample, why in sorted(failures.items())]
    return [
        *shown[:20],
        *([f"failed   and {len(shown) - 20} more"] if len(shown) > 20 else []),
        "         each has a vacant place, accepted = false; the same render tries them again",
    ]


def _gate(made: Plan) -> list[str]:
    """What the gate asks for, and what it may cost."""
    if (gate := made.recipe.spec.gate) is None:
        return []
    again = "what misses it is not painted again"
    if made.retry_seconds:
        most = duration_text(made.seconds_at_most)
        again = f"up to {gate.tries} times painted, {most} if all are"
    return [f"gate     {gate.model}: {gate_text(gate)}; {again}"]


def rejected_samples(dataset: Dataset) -> dict[int, str]:
    """Samples of a dataset that never passed its recipe's gate, and why."""
    table = dataset.cases()
    if "why" not in table or "accepted" not in table:
        return {}
    missed = table[(table["accepted"] == False) & table["why"].notna()]  # noqa: E712
    return {int(i): str(why) for i, why in zip(missed["sample"], missed["why"], strict=True)}


def _rejected(rejected: Mapping[int, str]) -> list[str]:
    """Samples that never passed the gate, a line each, twenty at most."""
    if not rejected:
        return []
    shown = [f"rejected sample {sample}: {why}" for sample, why in sorted(rejected.items())]
    return [
        *shown[:20],
        *([f"rejected and {len(shown) - 20} more"] if len(shown) > 20 else []),
        "         each stays in its place, accepted = false in cases.parquet",
    ]
