"""Render one case into one sample. This module knows neither Ray nor Zarr."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from factory.acquisition.acquire import Stack, acquire_stacks
from factory.anatomy.edits.registry import OPERATORS
from factory.anatomy.measure_names import Choice, default_choice
from factory.anatomy.measures import measure
from factory.case import Case
from factory.errors import RenderError
from factory.families.base import Family, Painter, StyleEnds
from factory.families.registry import family_of
from factory.imaging.intensities import intensity_unit, intensity_zero, normalise
from factory.imaging.label_ranges import outside_training
from factory.rendering.gate import Gate
from factory.rendering.lookahead import Lookahead
from factory.rendering.painters import load_painter
from factory.rendering.painting import PaintingFiles
from factory.rendering.sample import Sample
from factory.rendering.subject_editor import EditedSubject, SubjectEditor
from factory.schema.label_table import base_table, map_to_base_labels
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels
from factory.storage.subjects.label_mappings import map_by_name
from factory.storage.subjects.types import FETA, LabelTable, Subject


@dataclass(frozen=True)
class Prepared:
    """A case before it is painted.

    Attributes:
        case: The case.
        subject: Its subject, before the edits.
        edited: Its label map and image, after the edits.
        painter_label: [z, y, x]: the label map without the labels that the recipe brings.
        style_ends: The real subjects that lend the case their style, if any.
    """

    case: Case
    subject: Subject
    edited: EditedSubject
    painter_label: np.ndarray
    style_ends: StyleEnds | None = None


@dataclass(frozen=True)
class Painted:
    """A case after it is painted.

    Attributes:
        prepared: The case before.
        image: float32 [z, y, x] or [channel, z, y, x].
        disagreement: Of the fused orientations, see `factory.families.base.Painter.paint`.
        verdict: The gate's columns; empty without a gate.
    """

    prepared: Prepared
    image: np.ndarray
    disagreement: np.ndarray | None
    verdict: JsonObject


class Renderer:
    """Renders cases with one model, whose networks are loaded once."""

    def __init__(
        self,
        model: Path | str,
        threads: int,
        device: str = "cpu",
        fusion: Path | None = None,
        gate: Path | None = None,
        groups: Mapping[str, PaintingFiles] | None = None,
    ) -> None:
        """Load the networks.

        Args:
            model: The folder of the model that makes the images, or the name of a family that
                paints without weights.
            threads: Threads of torch. They are part of the plan, because results differ in the
                last bits between thread counts.
            device: "cpu" or "cuda".
            fusion: The folder of a trained fusion, if the cases name one.
            gate: The folder of a segmenter, if the cases name one.
            groups: What paints the groups that have an appearance of their own.

        Raises:
            WeightsError: If the weights of a model cannot be used.
            FactoryError: If the models do not go together.
        """
        torch.set_num_threads(threads)
        files = {"": PaintingFiles(model, fusion), **(groups or {})}
        self.painters = _load_painters(files, torch.device(device))
        self.gate = Gate(gate, torch.device(device)) if gate else None
        self.editor = SubjectEditor()
        # torch has a thread count for each thread of Python
        set_threads = partial(torch.set_num_threads, threads)
        self.lookahead = Lookahead(self.prepare, self.paint, set_threads)

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Begin the cases that will be rendered next, in this order, in other threads.

        Cases that were begun before and are not among them are cancelled.
        """
        self.lookahead.prefetch(cases)

    def render(self, case: Case) -> Sample:
        """Render a case.

        Raises:
            RenderError, AnatomyError, SubjectError: If it cannot be rendered; one line that names
                the case.
        """
        return self.finish(self.lookahead.result(case))

    def prepare(self, case: Case) -> Prepared:
        """Read or make the subject, and edit its label map."""
        subject = self.editor.subject(case)
        edited = self.editor.load_and_edit(case)
        base = base_table(subject.table, case.table)
        painter_label = map_to_base_labels(edited.label, case.labels, base)
        return Prepared(case, subject, edited, painter_label, self.editor.style_ends(case))

    def paint(self, prepared: Prepared) -> Painted:
        """Paint a prepared case; with a gate, until an image passes or the tries are used up."""
        case = prepared.case
        painter, family = self._painter_of(case)
        table, label = base_table(prepared.subject.table, case.table), prepared.painter_label
        if family.untrained_card is not None:  # it knows every label, also those of lesions
            label = prepared.edited.label
        else:
            model_labels = painter.card.get("label_table", {}).get("names", FETA.names)
            label = map_by_name(label, table, tuple(model_labels))
        subject = prepared.subject
        if family.untrained_card is not None:  # a contrast may follow the subject's own image
            subject = replace(subject, image=prepared.edited.image)
        inputs = label, subject, prepared.style_ends
        if case.gate and self.gate:
            return Painted(prepared, *self.gate.paint_until_accepted(painter, case, *inputs))
        return Painted(prepared, *painter.paint(case, *inputs), {})

    def _painter_of(self, case: Case) -> tuple[Painter, Family]:
        """Return what paints a case: its group's own painter, or the common one."""
        painter = self.painters.get(case.group, self.painters[""])
        return painter, family_of(painter.card)

    def finish(self, painted: Painted) -> Sample:
        """Shade lesions, measure the label map, and scan the image."""
        prepared = painted.prepared
        case, subject, edited = prepared.case, prepared.subject, prepared.edited
        grid, table, label = subject.grid, subject.table, edited.label
        image = painted.image
        if not self._painter_of(case)[1].carries_edits:
            image = edit_image(image, case, label, subject)
        measures = self._measure(painted)
        extra = {}
        if painted.disagreement is not None:
            extra["uncertainty"] = painted.disagreement
        if case.appearance.original:
            extra["original"] = normalise_original(case, edited.image, subject.label)
        stacks: tuple[Stack, ...] = ()
        if scan := case.acquisition:
            acquired = acquire_stacks(image, label, grid, table, scan.parameters, scan.seed)
            image, stacks = acquired.image, acquired.stacks
            measures |= {f"acquisition_{key}": value for key, value in acquired.record.items()}
        return Sample(case, image, label, grid, table, measures, extra, stacks)

    def _measure(self, painted: Painted) -> JsonObject:
        """Return the measures of the label map, the edits' records and the gate's verdict."""
        prepared = painted.prepared
        subject, edited = prepared.subject, prepared.edited
        painter, family = self._painter_of(prepared.case)
        spacing, table = subject.grid.spacing, subject.table
        choice = measure_choice(prepared.case, table)
        measures = measure(edited.label, spacing, table, choice, subject.grid.affine)
        measures |= edited.records | painted.verdict
        if family.carries_edits and edited.image is not None:
            measures |= intensity_columns(edited.image, subject)
        if len(self.painters) > 1:
            measures["appearance"] = prepared.case.appearance.model or family.name
        measures |= family.drawn_columns(prepared.case, subject)
        measures["outside_training"] = outside_training(
            painter.card,
            prepared.painter_label,
            spacing,
            base_table(table, prepared.case.table),
        )
        return measures


def _load_painters(files: Mapping[str, PaintingFiles], device: torch.device) -> dict[str, Painter]:
    """Load what paints each group; groups with the same files share a painter."""
    loaded: dict[PaintingFiles, Painter] = {}
    for painting in files.values():
        if painting not in loaded:
            loaded[painting] = load_painter(painting.model, device, painting.fusion)
    return {group: loaded[painting] for group, painting in files.items()}


def measure_choice(case: Case, table: LabelTable) -> Choice:
    """Return the measures that a case's sample carries: the recipe's choice, or the default."""
    if case.measures is None:
        return default_choice(table.names, case.has_own_table)
    return {
        name: None if isinstance(structures, str) else structures
        for name, structures in case.measures.items()
    }


def intensity_columns(image: np.ndarray, subject: Subject) -> JsonObject:
    """Return what turns stored intensities into those of the file: stored × unit + zero.

    Args:
        image: The subject's image, as the edits moved it.
        subject: The subject, before the edits.
    """
    columns: JsonObject = {}
    for name, channel in zip(subject.channels or ("",), list_channels(image), strict=True):
        zero, after = intensity_zero(channel, subject.label), f"_{name}" if name else ""
        columns[f"intensity_zero{after}"] = zero
        unit = float(intensity_unit(channel, subject.label > 0))
        columns[f"intensity_unit{after}"] = unit - zero
    return columns


def edit_image(image: np.ndarray, case: Case, label: np.ndarray, subject: Subject) -> np.ndarray:
    """Apply the part of the edits that changes the painted image, e.g. the shade of a lesion.

    Args:
        image: float32 [z, y, x] or [channel, z, y, x]; the edits change each channel.
        case: The case, with its edits.
        label: [z, y, x], after the edits.
        subject: The case's subject.
    """
    for edit in case.edits:
        change = OPERATORS[edit.operator].after_painting
        context = (label, subject.grid.spacing, subject.table, edit.parameters)
        channels = [change(channel, *context) for channel in list_channels(image)]
        image = np.stack(channels) if image.ndim > 3 else channels[0]
    return image


def normalise_original(case: Case, image: np.ndarray | None, label: np.ndarray) -> np.ndarray:
    """Return the subject's own image, as the edits moved it, in units of the unedited brain.

    Args:
        case: The case, for the error message.
        image: float32 [z, y, x] or [channel, z, y, x], after the edits; None if the subject has no
            image.
        label: [z, y, x], before the edits.

    Raises:
        RenderError: If the subject has no image.
    """
    if image is None:
        raise RenderError(f"{case.id}: output.original is asked for, but the subject has no image")
    return normalise(image, label)
