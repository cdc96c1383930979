"""Which painter a model's card asks for, and what every painter does: case -> image."""

from pathlib import Path

import numpy as np
import torch

from factory.case import Case
from factory.errors import RenderError
from factory.families.base import Painter
from factory.families.spade.slice_painter import SlicePainter, of_hearts
from factory.families.spade.volume_painter import SpadePainter
from factory.families.ultrasound_to_mri.painter import UltrasoundPainter
from factory.models.checkpoint import WeightsError, read_card
from factory.storage.subjects.types import Subject


class OwnImages:
    """Of what a StyleGAN2 draws: it comes with its image, so nothing is painted."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.card = read_card(folder)

    def painted(
        self, case: Case, label: np.ndarray, subject: Subject
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if subject.image is None:
            raise RenderError(f"{case.id}: the subject has no image, and its model paints none")
        return subject.image, None


PAINTERS = {
    "spade": SpadePainter,
    "spade of hearts": SlicePainter,
    "stylegan2": OwnImages,
    "ultrasound_to_mri": UltrasoundPainter,
}


def load_painter(folder: Path, device: torch.device, fusion: Path | None = None) -> Painter:
    """The painter of a model's folder. fusion: the folder of a trained one.

    Raises WeightsError where the folder is of no family that paints, FactoryError where the fusion
    is none, or another model's.
    """
    card = read_card(folder)
    family = card["family"]
    if family not in PAINTERS:
        known = ", ".join(dict.fromkeys(name.split()[0] for name in PAINTERS))
        raise WeightsError(f"{folder}: family {family!r}; allowed: {known}")
    if fusion is not None:
        return SpadePainter(folder, device, fusion)
    return PAINTERS["spade of hearts" if family == "spade" and of_hearts(card) else family](
        folder, device
    )
