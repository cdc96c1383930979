"""Label VAE: latents between hearts give new hearts (Amirrajab et al.)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from factory.families.base import Family
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.training.recipe import Training


class LabelVaeFamily(Family):
    name: ClassVar[str] = "label_vae"
    Recipe: ClassVar[type[Training]] = LabelVaeTraining
    references: ClassVar[tuple[str, ...]] = ("amirrajab", "vae")
    uses: ClassVar[Mapping[str, str]] = {
        "short_axis": "cardiac-interpolation --set interpolate.model={}"
    }

    def headline(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        for row in rows:
            if "Dice mean" in (row.get("measure"), row.get("what")):
                return f"held-out Dice {row['model']:.3f}"
        return None


FAMILY = LabelVaeFamily()
