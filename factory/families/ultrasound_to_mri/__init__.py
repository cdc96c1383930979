"""Ultrasound to MR: paints an MR plane of a fetal head in ultrasound (Jiao et al.)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from factory.families.base import Card, Family, Painter
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training

if TYPE_CHECKING:
    import torch


class UltrasoundToMriFamily(Family):
    """Ultrasound to MR as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "ultrasound_to_mri"
    Recipe: ClassVar[type[Training]] = UltrasoundToMriTraining
    paints: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("jiao",)
    uses: ClassVar[Mapping[str, str]] = {"bids": "ultrasound-to-mri --set appearance.model={}"}

    def painter(
        self, folder: Path, card: Card, device: "torch.device", fusion: Path | None
    ) -> Painter:
        """Load a painter of heads in ultrasound."""
        from factory.families.ultrasound_to_mri.painter import UltrasoundPainter

        return UltrasoundPainter(folder, device)

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the mean deformation score of held-out heads."""
        for row in rows:
            if "model" in (row.get("measure"), row.get("what")):
                return f"held-out deformation {row['deformation']:.3f}"
        return None


FAMILY = UltrasoundToMriFamily()
