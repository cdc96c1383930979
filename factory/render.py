"""Case -> Sample. Pure: knows no Ray and no Zarr."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from factory.acquisition import Stack, acquire
from factory.anatomy.heart import checked_stack
from factory.anatomy.lesion import shaded
from factory.anatomy.measure import measure
from factory.cases import Case
from factory.editing import Editor
from factory.errors import RenderError
from factory.gating import Gate
from factory.intensities import normalise
from factory.labels import as_painted, known_table
from factory.painters import load_painter
from factory.training_ranges import outside_training
from storage.short_axis import HEART
from storage.subject import Grid, LabelTable, Subject


@dataclass(frozen=True)
class Sample:
    """What one case became.

    image: float32 [z, y, x] in units of the brain's 99.5th percentile (0 dark, about 1 bright).
    label: uint8 [z, y, x], after the last edit. extra: further float32 images by name
    (uncertainty, original). measures: {"volume_ml_<tissue>": ml, "atrial_width_mm": mm, ...,
    "acquisition_<name>": what the scanner really did, a list with one entry a stack}.
    stacks: what was scanned of it, where stacks were asked for.
    """

    case: Case
    image: np.ndarray
    label: np.ndarray
    grid: Grid
    table: LabelTable
    measures: dict[str, Any]
    extra: dict[str, np.ndarray]
    stacks: tuple[Stack, ...] = ()


def best_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


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
        self.editor = Editor()

    def render(self, case: Case) -> Sample:
        """Raises RenderError, AnatomyError or SubjectError, each one line that names the case."""
        subject = self.editor.subject(case)
        label, image, records = self.editor.edited(case)
        seen = as_painted(label, case.labels)
        verdict: dict[str, Any] = {}
        if case.gate and self.gate:
            painted, disagreement, verdict = self.gate.painted(self.painter, case, seen, subject)
        else:
            painted, disagreement = self.painter.painted(case, seen, subject)
        painted = with_lesions(painted, case, label, subject)
        measures = measure(label, subject.grid.spacing, subject.table)
        if subject.table == HEART:
            measures |= {f"check: {name}": ok for name, ok in checked_stack(label).items()}
        measures |= records | verdict
        measures["outside_training"] = outside_training(
            self.painter.card, seen, subject.grid.spacing, known_table(subject.table)
        )
        extra = {}
        if disagreement is not None:
            extra["uncertainty"] = disagreement
        if case.appearance.get("original"):
            extra["original"] = original(case, image, subject.label)
        grid, table = subject.grid, subject.table
        stacks: tuple[Stack, ...] = ()
        if scan := case.acquisition:
            parameters, seed = scan["parameters"], scan["seed"]
            acquired = acquire(painted, label, grid, table, parameters, seed)
            painted, stacks = acquired.image, acquired.stacks
            measures |= {f"acquisition_{key}": value for key, value in acquired.record.items()}
        return Sample(case, painted, label, grid, table, measures, extra, stacks)


def with_lesions(image: np.ndarray, case: Case, label: np.ndarray, subject: Subject) -> np.ndarray:
    """The image float32 [z, y, x], as bright inside each lesion as the case asks."""
    for edit in case.edits:
        if lesion := edit.get("lesion"):
            mask = label == subject.table.index(lesion["name"])
            image = shaded(image, mask, subject.grid.spacing, lesion["intensity"])
    return image


def original(case: Case, image: np.ndarray | None, label: np.ndarray) -> np.ndarray:
    """The subject's own image, carried along by the edits, in units of the brain before them."""
    if image is None:
        raise RenderError(f"{case.id}: output.original is asked for, but the subject has no image")
    return normalise(image, label)
