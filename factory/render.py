"""Case -> Sample. Pure: knows no Ray and no Zarr."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from factory.anatomy.measure import measure
from factory.cases import Case
from factory.editing import Editor
from factory.errors import RenderError
from factory.intensities import normalise
from factory.painting import SpadePainter
from factory.training_ranges import outside_training
from storage.subject import Grid, LabelTable


@dataclass(frozen=True)
class Sample:
    """What one case became.

    image: float32 [z, y, x] in units of the brain's 99.5th percentile (0 dark, about 1 bright).
    label: uint8 [z, y, x], after the last edit. extra: further float32 images by name
    (uncertainty, original). measures: {"volume_ml_<tissue>": ml, "atrial_width_mm": mm, ...}.
    """

    case: Case
    image: np.ndarray
    label: np.ndarray
    grid: Grid
    table: LabelTable
    measures: dict[str, Any]
    extra: dict[str, np.ndarray]


def best_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class Renderer:
    """Renders cases with one model, whose networks are loaded once.

    model: the model's folder. threads: torch's threads, part of the plan since results differ in
    the last bits between thread counts. fusion: the folder of a trained fusion, where cases name
    one. Raises WeightsError, FactoryError where a model cannot be used.
    """

    def __init__(
        self, model: Path, threads: int, device: str = "cpu", fusion: Path | None = None
    ) -> None:
        torch.set_num_threads(threads)
        self.painter = SpadePainter(model, torch.device(device), fusion)
        self.editor = Editor()

    def render(self, case: Case) -> Sample:
        """Raises RenderError, AnatomyError or SubjectError, each one line that names the case."""
        subject = self.editor.subject(case)
        label, image, records = self.editor.edited(case)
        painted, disagreement = self.painter.render(label, case.appearance)
        measures = measure(label, subject.grid.spacing, subject.table)
        measures |= records
        measures["outside_training"] = outside_training(
            self.painter.card, label, subject.grid.spacing, subject.table
        )
        extra = {}
        if case.appearance.get("uncertainty"):
            extra["uncertainty"] = disagreement
        if case.appearance.get("original"):
            extra["original"] = original(case, image, subject.label)
        return Sample(case, painted, label, subject.grid, subject.table, measures, extra)


def original(case: Case, image: np.ndarray | None, label: np.ndarray) -> np.ndarray:
    """The subject's own image, carried along by the edits, in units of the brain before them."""
    if image is None:
        raise RenderError(f"{case.id}: output.original is asked for, but the subject has no image")
    return normalise(image, label)
