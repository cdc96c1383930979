"""Warp, turn, scale, shear and flip the whole head."""

import math
from typing import Annotated, Any, ClassVar

import numpy as np

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, Option, extremes
from factory.config.section import allowed
from factory.config.types import Scale, Shear, Smoothness, Turn, WarpMillimetres
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

YesOrNo = Annotated[bool, allowed("true, false")]
LENGTH = 1.4
"""How many times as long as wide or high a head is, at most: about 1.3 where it is healthy."""


class Deform(Operator):
    """A random diffeomorphic warp with turning, scaling and shearing, about (z, y, x).

    Each axis is a parameter of its own: rotation_degrees: [{uniform: [-10, 10]}, 0, 0].
    """

    seconds_per_megavoxel: ClassVar[float] = 0.7
    random: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "a random warp",
            tuple({"warp_mm": mm} for mm in (1.0, 2.0, 4.0)),
            record="jacobian_min",
        ),
    )

    warp_mm: Number[WarpMillimetres]
    smoothness_mm: Smoothness = 12.0
    rotation_degrees: tuple[Number[Turn], Number[Turn], Number[Turn]] = (0.0, 0.0, 0.0)
    scale: tuple[Number[Scale], Number[Scale], Number[Scale]] = (1.0, 1.0, 1.0)
    shear: tuple[Number[Shear], Number[Shear], Number[Shear]] = (0.0, 0.0, 0.0)
    flip: Option[YesOrNo] = False

    @classmethod
    def grows_by(cls, values: dict[str, Any]) -> float:
        """The head taken for an ellipsoid LENGTH times as long as wide or high: what its box gains
        by turning, shearing and scaling. How far a random warp reaches is not foreseen."""
        turned = min(sum(_furthest(axis) for axis in values["rotation_degrees"]), 90.0)
        tilt = math.hypot(math.cos(math.radians(turned)), LENGTH * math.sin(math.radians(turned)))
        slant = math.hypot(1.0, *(LENGTH * _furthest(axis) for axis in values["shear"]))
        return max(tilt * slant * max(max(extremes(axis)) for axis in values["scale"]), 1.0)

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        from factory.anatomy.edits.deform.edit import deform

        return deform(label, spacing, table, **values)


def _furthest(parameter: Any) -> float:
    return max(map(abs, extremes(parameter)))


OPERATOR = Deform
