"""A toy family: every label has one tone, learnt as the mean of the training images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from factory.families.flat.recipe import FlatTraining

from factory.families.base import Card, Family, Painter
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch


class Flat(Family):
    name: ClassVar[str] = "flat"
    Recipe: ClassVar[type[Training]] = FlatTraining
    paints: ClassVar[bool] = True
    uses: ClassVar[Mapping[str, str]] = {"": "hydrocephalus --set appearance.model={}"}

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        from factory.families.flat.painter import FlatPainter

        return FlatPainter(folder)

    def headline(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        return None


FAMILY = Flat()
