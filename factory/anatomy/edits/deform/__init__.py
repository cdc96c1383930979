"""Warp, rotate, scale, shear and flip the whole head."""

import math
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator

from factory.anatomy.edits.operator import Edited, Example, Operator
from factory.config.parameters import Number, Option, extremes
from factory.config.section import allowed
from factory.config.types import Scale, Shear, Smoothness, Turn, WarpMillimetres
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import LabelTable

YesOrNo = Annotated[bool, allowed("true, false")]
LENGTH = 1.4
"""The largest ratio of a head's length to its width or height: about 1.3 in a healthy one."""


class Deform(Operator):
    """A random diffeomorphic warp with rotation, scaling and shearing about the axes (z, y, x).

    Each axis is a parameter of its own: `rotation_degrees: [{uniform: [-10, 10]}, 0, 0]`. With
    `keep_topology: false` thin structures may break, and the edit takes a tenth of the time.
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
    # true becomes null, so that a recipe that states the default has the same digest
    keep_topology: Annotated[
        bool | None, allowed("true, false"), AfterValidator(lambda value: None if value else value)
    ] = None

    @classmethod
    def seconds(cls, values: JsonObject, megavoxels: float) -> float:
        """Estimate the time of one core; without keeping the topology labels move in one step."""
        rate = cls.seconds_per_megavoxel
        return rate * megavoxels * (1 / 7 if values.get("keep_topology") is False else 1)

    @classmethod
    def seconds_of_litres(cls, values: JsonObject, litres: float) -> float:
        """Estimate the time of following the velocity, less on a lattice of twice the step."""
        return litres * (0.03 if values.get("keep_topology") is False else 0.15)

    @classmethod
    def head_growth_factor(cls, values: JsonObject) -> float:
        """Return what the head's box gains by rotation, shearing and scaling.

        The head is taken for an ellipsoid that is LENGTH times as long as wide or high. How far a
        random warp reaches is not included.
        """
        turned = min(sum(_largest_magnitude(axis) for axis in values["rotation_degrees"]), 90.0)
        tilt = math.hypot(math.cos(math.radians(turned)), LENGTH * math.sin(math.radians(turned)))
        slant = math.hypot(1.0, *(LENGTH * _largest_magnitude(axis) for axis in values["shear"]))
        return max(tilt * slant * max(max(extremes(axis)) for axis in values["scale"]), 1.0)

    @staticmethod
    def apply(label: np.ndarray, spacing: Spacing, table: LabelTable, **values: Any) -> Edited:
        """Apply the edit; see `Operator.apply` and `edit.deform`."""
        from factory.anatomy.edits.deform.edit import deform

        return deform(label, spacing, table, **values)


def _largest_magnitude(parameter: JsonValue) -> float:
    """Return the largest absolute value that a parameter can take."""
    return max(map(abs, extremes(parameter)))


OPERATOR = Deform
