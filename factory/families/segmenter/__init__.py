"""Segmenter: labels the tissue of every voxel, and judges samples at the gate."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from factory.families.base import Card, Cost, Family, VolumeSegmenter
from factory.families.segmenter.recipe import SegmenterTraining
from factory.imaging.types import Shape
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch

VOXEL_BYTES = 110
"""Memory of a voxel: probabilities of eight labels as float32, for one orientation and summed over
all, and a copy."""

LABEL_BYTES = 12
"""Memory of a voxel, besides, for each label after the eighth."""


class SegmenterFamily(Family):
    """The segmenter as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "segmenter"
    Recipe: ClassVar[type[Training]] = SegmenterTraining
    segments: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("unet",)
    uses: ClassVar[Mapping[str, str]] = {
        "bids": "hydrocephalus --set 'gate={{model: {}, ventricles: {{dice: 0.85}}}}'"
    }
    seconds_per_megavoxel: ClassVar[float] = 1.0

    def segmenter(self, folder: Path, device: "torch.device") -> VolumeSegmenter:
        """Load the segmenter of a model folder."""
        from factory.families.segmenter.inference import VolumeSegmenter

        return VolumeSegmenter(folder, device)

    def extractor(self, folder: Path) -> "Callable[[torch.Tensor], torch.Tensor]":
        """Load the segmenter's features of slices; see VolumeSegmenter.features."""
        import torch

        from factory.families.segmenter.inference import VolumeSegmenter

        return VolumeSegmenter(folder, torch.device("cpu")).features

    def cost(self, card: Card, shape: Shape) -> Cost:
        """Estimate the time and the memory of segmenting a sample."""
        more_labels = max(0, int(card["config"].get("labels", 8)) - 8)
        each = VOXEL_BYTES + LABEL_BYTES * more_labels
        return Cost(super().cost(card, shape).seconds, each * math.prod(shape))

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the mean held-out Dice of the structures."""
        means = [row for row in rows if "structure" in row and row["subject"] == "mean"]
        if not means:
            return None
        return f"held-out Dice {sum(row['dice'] for row in means) / len(means):.3f}"


FAMILY = SegmenterFamily()
