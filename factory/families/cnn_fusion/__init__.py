"""CNN fusion: a network that fuses the three volumes of SPADE into one (Ayaz et al.)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from factory.families.base import Card, Cost, Family
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.scores import best_ssim
from factory.imaging.types import Shape
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training

PATCHES = 8
"""Patches of a forward pass."""


class CnnFusionFamily(Family):
    """The CNN fusion as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "cnn_fusion"
    Recipe: ClassVar[type[Training]] = CnnFusionTraining
    references: ClassVar[tuple[str, ...]] = ("ayaz",)
    uses: ClassVar[Mapping[str, str]] = {
        "bids": "hydrocephalus --set 'appearance.fuse={{cnn: {}}}'"
    }
    seconds_per_megavoxel: ClassVar[float] = 3.0

    def cost(self, card: Card, shape: Shape) -> Cost:
        """Estimate what a fusion adds to a sample: two layers' activations, and torch's copies."""
        width, patch = card["config"]["width"], card["config"]["patch"]
        return Cost(super().cost(card, shape).seconds, 8 * PATCHES * width * patch**3 * 4)

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the best held-out SSIM."""
        return best_ssim(rows)


FAMILY = CnnFusionFamily()
