"""Case -> Sample. Pure: knows no Ray and no Zarr."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from factory.acquisition.acquire import Stack, acquire_stacks
from factory.anatomy.edits.registry import OPERATORS
from factory.anatomy.measures import measure
from factory.anatomy.measures.heart import checked_stack
from factory.case import Case
from factory.errors import RenderError
from factory.families.base import StyleEnds
from factory.imaging.intensities import normalise
from factory.imaging.label_ranges import outside_training
from factory.rendering.gate import Gate
from factory.rendering.lookahead import Lookahead
from factory.rendering.painters import load_painter
from factory.rendering.sample import Sample
from factory.rendering.subject_editor import SubjectEditor
from factory.schema.label_table import map_to_painter_labels, painter_label_table
from factory.storage.subjects.short_axis import HEART
from factory.storage.subjects.types import Subject


@dataclass(frozen=True)
class Prepared:
    """A case to be painted.

    label: uint8 [z, y, x], after the last edit, and image: the subject's own, likewise, where it
    has one. seen: the label as the model knows it. records: what the edits put on record.
    style_ends: the real subjects that lend it their style.
    """

    case: Case
    subject: Subject
    label: np.ndarray
    image: np.ndarray | None
    records: dict[str, Any]
    seen: np.ndarray
    style_ends: StyleEnds | None = None


@dataclass(frozen=True)
class Painted:
    """A case to be finished. image, disagreement: as painters give them. verdict: of the gate."""

    prepared: Prepared
    image: np.ndarray
    disagreement: np.ndarray | None
    verdict: dict[str, Any]


class Renderer:
    """Renders cases with one model, whose networks are loaded once.

    model: the model's folder. threads: torch's threads, part of the plan since results differ in
    the last bits between thread counts. fusion: the folder of a trained fusion, where cases name
    one. gate: the folder of a segmenter, likewise. Raises WeightsError, FactoryError where a model
    cannot be used.
    """

    def __init__(
        self,
        model: Path,
        threads: int,
        device: str = "cpu",
        fusion: Path | None = None,
        gate: Path | None = None,
    ) -> None:
        torch.set_num_threads(threads)
        self.painter = load_painter(model, torch.device(device), fusion)
        self.gate = Gate(gate, torch.device(device)) if gate else None
        self.editor = SubjectEditor()
        start = partial(torch.set_num_threads, threads)  # every thread has a count of its own
        self.lookahead = Lookahead(self.prepare, self.paint, start)

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Cases that will be rendered next, in order: they are begun in other threads. What was
        expected before, and is not any more, is let go."""
        self.lookahead.prefetch(cases)

    def render(self, case: Case) -> Sample:
        """Raises RenderError, AnatomyError or SubjectError, each one line that names the case."""
        return self.finish(self.lookahead.result(case))

    def prepare(self, case: Case) -> Prepared:
        """Read or make the subject, and edit its labels."""
        subject = self.editor.subject(case)
        label, image, records = self.editor.load_and_edit(case)
        seen, ends = map_to_painter_labels(label, case.labels), self.editor.style_ends(case)
        return Prepared(case, subject, label, image, records, seen, ends)

    def paint(self, prepared: Prepared) -> Painted:
        """The generator's part, and its judge's."""
        case, what = prepared.case, (prepared.seen, prepared.subject, prepared.style_ends)
        if case.gate and self.gate:
            return Painted(prepared, *self.gate.paint_until_accepted(self.painter, case, *what))
        return Painted(prepared, *self.painter.paint(case, *what), {})

    def finish(self, made: Painted) -> Sample:
        """Shade lesions, measure, and scan."""
        before, disagreement = made.prepared, made.disagreement
        case, subject, label = before.case, before.subject, before.label
        painted = after_painting(made.image, case, label, subject)
        measures = measure(label, subject.grid.spacing, subject.table)
        if subject.table == HEART:
            measures |= {f"check: {name}": ok for name, ok in checked_stack(label).items()}
        measures |= before.records | made.verdict
        measures["outside_training"] = outside_training(
            self.painter.card, before.seen, subject.grid.spacing, painter_label_table(subject.table)
        )
        extra = {}
        if disagreement is not None:
            extra["uncertainty"] = disagreement
        if case.appearance.original:
            extra["original"] = original(case, before.image, subject.label)
        grid, table = subject.grid, subject.table
        stacks: tuple[Stack, ...] = ()
        if scan := case.acquisition:
            acquired = acquire_stacks(painted, label, grid, table, scan.parameters, scan.seed)
            painted, stacks = acquired.image, acquired.stacks
            measures |= {f"acquisition_{key}": value for key, value in acquired.record.items()}
        return Sample(case, painted, label, grid, table, measures, extra, stacks)


def after_painting(
    image: np.ndarray, case: Case, label: np.ndarray, subject: Subject
) -> np.ndarray:
    """The image float32 [z, y, x] as the edits of a case leave it once it is painted."""
    for edit in case.edits:
        change = OPERATORS[edit.operator].after_painting
        image = change(image, label, subject.grid.spacing, subject.table, edit.parameters)
    return image


def original(case: Case, image: np.ndarray | None, label: np.ndarray) -> np.ndarray:
    """The subject's own image, carried along by the edits, in units of the brain before them."""
    if image is None:
        raise RenderError(f"{case.id}: output.original is asked for, but the subject has no image")
    return normalise(image, label)
