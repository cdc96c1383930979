"""The reports of the commands, as JSON and as lines of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from factory.planning.grid import voxel_text
from factory.planning.plan import Plan
from factory.schema.gate import gate_text
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.json_value import JsonObject, JsonValue
from factory.text import duration_text, size_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PlanReport:
    """The report of `factory plan`.

    Attributes:
        plan: The plan.
        complete: Whether the dataset at the output is complete already.
        digest: The digest of that dataset, if it is complete.
    """

    plan: Plan
    complete: bool = False
    digest: str | None = None

    def to_json(self) -> JsonObject:
        """Return the plan as JSON, with the state of the dataset at the output."""
        return {**self.plan.to_json(), "complete": self.complete, "digest": self.digest}

    def lines(self) -> list[str]:
        """Return the plan as lines of text."""
        p, layout = self.plan, self.plan.layout
        size = " × ".join(map(str, layout.shape))
        return [
            f"recipe   {p.recipe.source} (digest {p.recipe.digest[:12]})",
            f"output   {p.recipe.spec.output.path}: {', '.join(_array_texts(layout))}",
            f"samples  {layout.samples} of {size} voxels, {voxel_text(p.recipe)} (z, y, x)",
            *_stack_lines(p),
            f"layout   {layout.samples_per_shard} a shard, in bricks of "
            f"{' × '.join(map(str, layout.brick_of('image')))} voxels",
            f"shards   {layout.shards}, of which {len(p.finished_shards)} are done"
            + (f"; {p.kept_samples} samples stay as they are" if p.kept_samples else ""),
            f"size     {size_text(p.raw_bytes)}, compressed about {size_text(p.stored_bytes)}",
            f"memory   {size_text(p.peak_memory_bytes)} at the peak: {p.actors} renderers "
            f"of {size_text(p.memory_per_actor)}, {p.threads} thread each"
            + (", label edits and writing beside it" if p.overlap else ""),
            f"time     about {duration_text(p.seconds)} after the start-up",
            *_gate_lines(p),
            *(f"warning  {warning}" for warning in p.warnings),
        ]


@dataclass(frozen=True)
class RenderReport:
    """The report of `factory render`.

    Attributes:
        dataset: The finished dataset.
        rendered: How many samples this run has rendered.
        seconds: The time of this run.
        preview: The path of the preview image beside the dataset, if it is a local one.
        failures: The reason for each sample that could not be rendered, by its index.
        rejected: The reason for each sample that did not pass the gate, by its index.
    """

    dataset: Dataset
    rendered: int
    seconds: float
    preview: str | None
    failures: dict[int, str] = field(default_factory=dict)
    rejected: Mapping[int, str] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Return the attributes, with the path, size and digest of the dataset."""
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
        """Return the report as lines of text, with commands to open and inspect the dataset."""
        path, layout = self.dataset.path, self.dataset.layout
        python = f"import zarr; g = zarr.open('{path}'); print(g['image'][0], g['label'][0])"
        return [
            f"{layout.samples} samples, {self.rendered} of them made now "
            f"in {duration_text(self.seconds)}",
            *failure_lines(self.failures),
            *_rejection_lines(self.rejected),
            f"dataset  {path}",
            *([f"preview  {self.preview}  (any picture viewer)"] if self.preview else []),
            f'open     python -c "{python}"',
            f"look     factory inspect {path}",
        ]


@dataclass(frozen=True)
class TrainReport:
    """The report of `factory train`.

    Attributes:
        model: The folder of the weights and the card.
        use: How a render recipe names the model, as a format string that takes the folder.
    """

    model: Path
    use: str | None = None

    def to_json(self) -> JsonObject:
        """Return the folder of the model as JSON."""
        return {"model": str(self.model), "complete": True}

    def lines(self) -> list[str]:
        """Return the folder of the model and a command that uses it."""
        lines = [f"model    {self.model}"]
        if self.use:
            lines.append(f"use      factory render {self.use.format(self.model)}")
        return lines


@dataclass(frozen=True)
class EvaluateReport:
    """The report of `factory evaluate`.

    Attributes:
        table: The scores. Each kind of evaluation has its own columns.
        folder: Where images and tables were written.
        text: The scores as lines of text.
        remarks: What was left out or assumed, one line each.
        further: Further keys of the JSON report.
        share: For an audit, the share of samples that are close to a training image.
    """

    table: "pd.DataFrame"
    folder: Path
    text: list[str]
    remarks: Sequence[str] = ()
    further: Mapping[str, JsonValue] = field(default_factory=dict)
    share: float | None = None

    def to_json(self) -> JsonObject:
        """Return the table as rows, with missing values as null."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        remarks = {"remarks": list(self.remarks)} if self.remarks else {}
        return {"rows": rows, "folder": str(self.folder), **remarks, **self.further}

    def lines(self) -> list[str]:
        """Return the scores, the remarks and the folder as lines of text."""
        return [*self.text, *(f"note     {r}" for r in self.remarks), f"written  {self.folder}"]


def _array_texts(layout: Layout) -> list[str]:
    """List the arrays of a dataset, those with channels as "image (t1w, t2w)"."""
    channels = layout.channels
    return [f"{n} ({', '.join(channels[n])})" if n in channels else n for n in layout.arrays]


def _stack_lines(plan: Plan) -> list[str]:
    """Return one line for each stack of a plan."""
    layout, acquisition = plan.layout, plan.recipe.spec.acquisition
    if acquisition is None or acquisition.stacks is None:
        return []
    return [
        f"{name:<8} {orientation}, {' × '.join(map(str, layout.shape_of(name)))} voxels "
        "(slices, rows, columns) at the most"
        for name, orientation in zip(layout.stacks, acquisition.stacks.orientations, strict=True)
    ]


def failures_json(failures: Mapping[int, str]) -> list[JsonObject]:
    """Return the samples that could not be rendered, and why, as JSON objects."""
    return [{"sample": sample, "why": why} for sample, why in sorted(failures.items())]


def failure_lines(failures: Mapping[int, str]) -> list[str]:
    """Return one line for each sample that could not be rendered, at most twenty."""
    if not failures:
        return []
    lines = [f"failed   sample {sample}: {why}" for sample, why in sorted(failures.items())]
    return [
        *lines[:20],
        *([f"failed   and {len(lines) - 20} more"] if len(lines) > 20 else []),
        "         each has a vacant place, accepted = false; the same render tries them again",
    ]


def _gate_lines(plan: Plan) -> list[str]:
    """Return a line with the limits of the gate and the time that its repetitions may take."""
    if (gate := plan.recipe.spec.gate) is None:
        return []
    repetitions = "what misses it is not painted again"
    if plan.retry_seconds:
        longest = duration_text(plan.seconds_at_most)
        repetitions = f"up to {gate.tries} times painted, {longest} if all are"
    return [f"gate     {gate.model}: {gate_text(gate)}; {repetitions}"]


def rejected_samples(dataset: Dataset) -> dict[int, str]:
    """Return the reason for each sample that did not pass the gate, by its index."""
    table = dataset.cases()
    if "why" not in table or "accepted" not in table:
        return {}
    missed = table[(table["accepted"] == False) & table["why"].notna()]  # noqa: E712
    return {int(i): str(why) for i, why in zip(missed["sample"], missed["why"], strict=True)}


def _rejection_lines(rejected: Mapping[int, str]) -> list[str]:
    """Return one line for each sample that did not pass the gate, at most twenty."""
    if not rejected:
        return []
    lines = [f"rejected sample {sample}: {why}" for sample, why in sorted(rejected.items())]
    return [
        *lines[:20],
        *([f"rejected and {len(lines) - 20} more"] if len(lines) > 20 else []),
        "         each stays in its place, accepted = false in cases.parquet",
    ]
