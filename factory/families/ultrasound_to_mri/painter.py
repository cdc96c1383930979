"""Paints the MR of a head in ultrasound, with the generator of a trained model."""

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
    """The generator of a model folder.

    Attributes:
        card: The model's JSON card.
        device: Where it computes.
        generator: The network, ready for inference.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Load the generator.

        Args:
            folder: The model folder.
            device: Where it computes.

        Raises:
            WeightsError: The folder does not contain a model of this family.
        """
        self.card, self.device = read_card(folder), device
        if self.card["family"] != FAMILY:
            raise WeightsError(f"{folder}: family {self.card['family']!r}; expected {FAMILY!r}")
        generator = UltrasoundToMri(UltrasoundToMriConfig(**self.card["config"]))
        self.generator = load_weights(folder, "generator", generator, self.card).to(device)

    def paint(
        self, case: Case, label: np.ndarray, subject: Subject, style_ends: StyleEnds | None = None
    ) -> tuple[np.ndarray, None]:
        """Paint a case. See factory.families.base.Painter."""
        return self.paint_plane(subject), None

    def paint_plane(self, subject: Subject) -> np.ndarray:
        """Return the MR of a head in ultrasound.

        Returns:
            float32 [1, y, x], in units of the 99.5th percentile inside the brains of the training.

        Raises:
            ValueError: The subject has no image.
        """
        return from_network(paint_planes(self.generator, ultrasound_plane(subject)[None]))


@torch.inference_mode()
def paint_planes(generator: nn.Module, us_NHW: np.ndarray) -> np.ndarray:
    """Return the MR (N, H, W) in [-1, 1] of ultrasound planes.

    They are painted one by one, since the last bits of a convolution depend on the rest of its
    batch.
    """
    device = next(generator.parameters()).device
    planes = [generator(torch.from_numpy(us)[None, None].to(device))[0][0, 0] for us in us_NHW]
    return torch.stack(planes).float().cpu().numpy()
