"""Take a head to another gestational age."""

from typing import Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, extremes
from factory.config.types import Weeks
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable


class Grow(Operator):
    """The subject is taken to another gestational age along the phantom's growth curves.

    Sizes and proportions follow; the folding stays.
    """

    seconds_per_megavoxel: ClassVar[float] = 1.3
    needs: ClassVar[tuple[str, ...]] = ("grey_matter", "white_matter")
    takes_age: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "to an age",
            tuple({"to_weeks": weeks} for weeks in (23, 32, 36)),
            record="achieved_occipito_frontal_mm",
        ),
    )

    to_weeks: Number[Weeks]

    @classmethod
    def max_age_weeks(cls, values: JsonObject) -> float:
        """Return the highest age that the edit can give."""
        return max(extremes(values["to_weeks"]))

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.grow`."""
        from factory.anatomy.edits.grow.edit import grow

        return grow(label, spacing, table, **values)


OPERATOR = Grow
