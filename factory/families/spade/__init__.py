"""SPADE: one generator an orientation paints label maps (Park et al. 2019)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from factory.families.base import Card, Family, Painter
from factory.families.scores import best_ssim
from factory.families.spade.fusion_compatibility import check_fusion, fusion_warnings
from factory.families.spade.recipe import SpadeTraining
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch


class Spade(Family):
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
        from factory.families.spade.slice_painter import SlicePainter, of_hearts
        from factory.families.spade.volume_painter import SpadePainter

        if of_hearts(card) and fusion is None:
            return SlicePainter(folder, device)
        return SpadePainter(folder, device, fusion)

    def has_styles(self, card: Card) -> bool:
        return bool(card["config"].get("latent"))

    def check_fusion(self, name: str, card: Card, painter: Card) -> None:
        check_fusion(name, card, painter)

    def fusion_warnings(self, card: Card, painter: Card) -> tuple[str, ...]:
        return fusion_warnings(card, painter)

    def headline(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        return best_ssim(rows)


FAMILY = Spade()
