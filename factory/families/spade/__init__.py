"""SPADE: one generator for each orientation paints label maps (Park et al. 2019)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from factory.families.base import Card, Family, Painter
from factory.families.scores import best_ssim
from factory.families.spade.fusion_compatibility import check_fusion, fusion_warnings
from factory.families.spade.recipe import SpadeTraining
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch


class SpadeFamily(Family):
    """SPADE as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "spade"
    Recipe: ClassVar[type[Training]] = SpadeTraining
    paints: ClassVar[bool] = True
    has_mixed_precision: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("spade",)
    uses: ClassVar[Mapping[str, str]] = {
        "bids": "hydrocephalus --set appearance.model={}",
        "short_axis": "cardiac-interpolation --set appearance.model={}",
    }

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        """Load a painter of stacks of hearts, or of volumes that are fused from orientations."""
        from factory.families.spade.slice_painter import SlicePainter, is_heart_model
        from factory.families.spade.volume_painter import SpadePainter

        if is_heart_model(card) and fusion is None:
            return SlicePainter(folder, device)
        return SpadePainter(folder, device, fusion)

    def has_styles(self, card: Card) -> bool:
        """Return whether the generator takes a style code."""
        return bool(card["config"].get("latent"))

    def check_fusion(self, name: str, card: Card, painter: Card) -> None:
        """Check that a model fuses what a SPADE model paints; see `fusion_compatibility`."""
        check_fusion(name, card, painter)

    def fusion_warnings(self, card: Card, painter: Card) -> tuple[str, ...]:
        """Return warnings about a fusion of a SPADE model; see `fusion_compatibility`."""
        return fusion_warnings(card, painter)

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the best held-out SSIM."""
        return best_ssim(rows)


FAMILY = SpadeFamily()
