"""Ultrasound to MR: paints MR planes from fetal ultrasound (Jiao et al.)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from factory.families.base import Card, Family, Painter
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch


class UltrasoundToMriFamily(Family):
    name: ClassVar[str] = "ultrasound_to_mri"
    Recipe: ClassVar[type[Training]] = UltrasoundToMriTraining
    paints: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("jiao",)
    uses: ClassVar[Mapping[str, str]] = {"bids": "ultrasound-to-mri --set appearance.model={}"}

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        from factory.families.ultrasound_to_mri.painter import UltrasoundPainter

        return UltrasoundPainter(folder, device)

    def headline(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        for row in rows:
            if "model" in (row.get("measure"), row.get("what")):
                return f"held-out deformation {row['deformation']:.3f}"
        return None


FAMILY = UltrasoundToMriFamily()
