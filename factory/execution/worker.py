"""The worker: a renderer, loaded once in its process, that returns samples as they are stored."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from factory.case import Case
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.json_value import JsonObject, JsonValue

if TYPE_CHECKING:
    from factory.rendering.renderer import Renderer
    from factory.rendering.sample import Sample


class Worker(Protocol):
    """Renders the samples of a dataset."""

    dataset: Dataset

    def setup(self) -> None:
        """Load what rendering needs. Called once, in the process that renders."""

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Begin the cases that will be rendered next, if possible; cancel all others."""

    def render(self, case: Case) -> StoredSample:
        """Render a case."""


@dataclass
class RenderWorker:
    """Renders cases with a renderer.

    Attributes:
        dataset: The dataset that the samples are for.
        load: Loads the renderer, given its number of threads. It is called in the process that
            renders, so that networks are not sent between processes.
        threads: The renderer's threads.
    """

    dataset: Dataset
    load: Callable[[int], "Renderer"]
    threads: int

    def setup(self) -> None:
        """Load the renderer."""
        self.renderer = self.load(self.threads)

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Begin the cases that will be rendered next; cancel all others."""
        self.renderer.prefetch(cases)

    def render(self, case: Case) -> StoredSample:
        """Render a case."""
        return to_stored(self.renderer.render(case))


def to_stored(sample: "Sample") -> StoredSample:
    """Return a sample as it is stored, with a row of its requested parameters and its measures."""
    scan = sample.case.acquisition
    with_labels = scan is not None and scan.labels == "stack"
    return StoredSample(
        case=sample.case.to_json(),
        arrays={"image": sample.image, "label": sample.label, **sample.extra},
        affine=sample.grid.affine,
        spacing_mm=sample.grid.spacing,
        columns={
            **requested_columns(sample.case),
            "accepted": True,
            **{name: _to_cell(value) for name, value in sample.measures.items()},
        },
        stacks=[
            StoredStack(
                stack.image, stack.affine, stack.spacing, stack.label if with_labels else None
            )
            for stack in sample.stacks
        ],
    )


def requested_columns(case: Case) -> JsonObject:
    """Return the columns of a case that are known before it is rendered."""
    metadata: JsonObject = {
        name: case.subject[name]
        for name in ("gestational_age_weeks", "pathology", "rec")
        if name in case.subject
    }
    if case.shows_source:
        metadata["subject_source"] = case.subject["source"]
    if case.appearance.family == "original":
        metadata |= _origin_columns(case)
    scan = case.acquisition
    scanner = {"scanner": scan.scanner} if scan and scan.scanner else {}
    grade = {"grade": case.requested["grade"]} if "grade" in case.requested else {}
    return {
        "case": case.id,
        **({"group": case.group} if case.group else {}),
        "subject": case.subject["id"],
        "variant": case.variant,
        "replicate": case.replicate,
        **metadata,
        **case.subject.get("covariates", {}),
        **scanner,
        **grade,
        **{f"requested_{name}": value for name, value in case.requested.items()},
    }


def _origin_columns(case: Case) -> JsonObject:
    """Return where the image of a case comes from: `source` is real, or edited, and its files."""
    files = {f"{kind}_file": case.subject.get(kind) for kind in ("image", "label")}
    return {
        "source": "edited" if case.edits else "real",
        **{k: "; ".join(f) if isinstance(f, list) else f for k, f in files.items() if f},
    }


def _to_cell(value: JsonValue) -> JsonValue:
    """Return the value of a column. A list, with one entry for each stack, is stored as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple) else value
