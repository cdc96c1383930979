"""Ultrasound of a head -> MR of it, by A, B, C and the attention of a trained model."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from factory.case import Case
from factory.families.base import StyleEnds
from factory.families.ultrasound_to_mri.data import ultrasound_plane
from factory.imaging.intensities import from_network
from factory.models.checkpoint import WeightsError, load_weights, read_card
from factory.models.ultrasound_to_mri.network import UltrasoundToMri, UltrasoundToMriConfig
from factory.storage.subjects.types import Subject

FAMILY = "ultrasound_to_mri"


class UltrasoundPainter:
    """The generator of a model folder, loaded once. card: its JSON card.

    Raises WeightsError where the folder holds no model of this family.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.card, self.device = read_card(folder), device
        if self.card["family"] != FAMILY:
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected {FAMILY!r}")
        generator = UltrasoundToMri(UltrasoundToMriConfig(**self.card["config"]))
        self.generator = load_weights(folder, "generator", generator, self.card).to(device)

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, None]:
        """See factory.families.base.Painter."""
        return self.paint_plane(subject), None

    def paint_plane(self, subject: Subject) -> np.ndarray:
        """The MR of a head in ultrasound, float32 [1, y, x] in units of the 99.5th percentile
        inside a brain of those trained on. Raises ValueError where the subject has no image."""
        return from_network(paint_planes(self.generator, ultrasound_plane(subject)[None]))


@torch.inference_mode()
def paint_planes(generator: nn.Module, us_NHW: np.ndarray) -> np.ndarray:
    """MR planes (N, H, W) in [-1, 1], drawn one by one: the last bits of a convolution depend on
    what else is in its batch."""
    device = next(generator.parameters()).device
    made = [generator(torch.from_numpy(us)[None, None].to(device))[0][0, 0] for us in us_NHW]
    return torch.stack(made).float().cpu().numpy()
