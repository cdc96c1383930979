"""Anatomy generator: label maps of new individuals, learned from those of people."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from factory.families.anatomy.recipe import AnatomyTraining
from factory.families.base import Family
from factory.storage.json_value import JsonValue
from factory.training.recipe import Training


class AnatomyFamily(Family):
    """The anatomy generator as a model family; see factory.families.base.Family."""

    name: ClassVar[str] = "anatomy"
    Recipe: ClassVar[type[Training]] = AnatomyTraining
    references: ClassVar[tuple[str, ...]] = ("arsigny", "luthi")
    uses: ClassVar[Mapping[str, str]] = {
        "": "any-labels --set subjects.shapes=null --set subjects.learned.model={} "
        "--set subjects.learned.count=10"
    }

    def headline(self, rows: Sequence[Mapping[str, JsonValue]]) -> str | None:
        """Return the mean Dice of the best fits to people who were held out."""
        dice = [row["fit"] for row in rows if row.get("label") == "mean"]
        return f"held-out Dice {sum(dice) / len(dice):.3f}" if dice else None


FAMILY = AnatomyFamily()
