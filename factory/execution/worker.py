"""What renders: the renderer, loaded once in its process, and samples as the dataset takes them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from factory.case import Case
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.stored_sample import StoredSample, StoredStack

if TYPE_CHECKING:
    from factory.rendering.renderer import Renderer
    from factory.rendering.sample import Sample


class Worker(Protocol):
    """Makes samples for a dataset. setup is called once, in the process that renders. expect: cases
    that will be made next, which may be begun; all others are let go."""

    dataset: Dataset

    def setup(self) -> None: ...
    def prefetch(self, cases: Sequence[Case]) -> None: ...
    def render(self, case: Case) -> StoredSample: ...


@dataclass
class RenderWorker:
    """Renders cases.

    load: makes the renderer; called once, in the process that renders, with the threads it may
    use, so that what it loads never travels. It sets the thread counts of what it loads.
    """

    dataset: Dataset
    load: Callable[[int], "Renderer"]
    threads: int

    def setup(self) -> None:
        self.renderer = self.load(self.threads)

    def prefetch(self, cases: Sequence[Case]) -> None:
        self.renderer.prefetch(cases)

    def render(self, case: Case) -> StoredSample:
        return to_stored(self.renderer.render(case))


def to_stored(sample: "Sample") -> StoredSample:
    """A sample as the dataset takes it; its row holds what was asked for and what came out."""
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
            **{name: _cell(value) for name, value in sample.measures.items()},
        },
        stacks=[
            StoredStack(s.image, s.affine, s.spacing, s.label if with_labels else None)
            for s in sample.stacks
        ],
    )


def requested_columns(case: Case) -> dict[str, Any]:
    """The columns of a case that are known before it is rendered."""
    known: dict[str, Any] = {
        name: case.subject[name]
        for name in ("gestational_age_weeks", "pathology", "rec")
        if name in case.subject
    }
    scan = case.acquisition
    scanner = {"scanner": scan.scanner} if scan and scan.scanner else {}
    grade = {"grade": case.requested["grade"]} if "grade" in case.requested else {}
    return {
        "case": case.id,
        **({"group": case.group} if case.group else {}),
        "subject": case.subject["id"],
        "variant": case.variant,
        "replicate": case.replicate,
        **known,
        **scanner,
        **grade,
        **{f"requested_{name}": value for name, value in case.requested.items()},
    }


def _cell(value: Any) -> Any:
    """A column's value: what is a list, an entry a stack, is kept as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple) else value
