"""Label VAE: new hearts from the latent codes between those of real hearts (Amirrajab et al.)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from factory.families.base import Family
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training


class LabelVaeFamily(Family):
    """The label VAE as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "label_vae"
    Recipe: ClassVar[type[Training]] = LabelVaeTraining
    references: ClassVar[tuple[str, ...]] = ("amirrajab", "vae")
    uses: ClassVar[Mapping[str, str]] = {
        "short_axis": "cardiac-interpolation --set interpolate.model={}"
    }

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the mean Dice of held-out reconstructions."""
        for row in rows:
            if "Dice mean" in (row.get("measure"), row.get("what")):
                return f"held-out Dice {row['model']:.3f}"
        return None


FAMILY = LabelVaeFamily()
