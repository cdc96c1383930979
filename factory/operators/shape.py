"""Parameters of the edits that give a head or a part of it another shape or size."""

from typing import ClassVar

from factory.operators.base import Operator
from factory.parameters import Number
from factory.quantities import Scale, Shear, Smoothness, Turn, WarpMillimetres


class Deform(Operator):
    """A random diffeomorphic warp with turning, scaling and shearing, about (z, y, x)."""

    function: ClassVar[str] = "factory.anatomy.deform:deform"
    random: ClassVar[bool] = True

    warp_mm: Number[WarpMillimetres]
    smoothness_mm: Smoothness = 12.0
    rotation_degrees: tuple[Turn, Turn, Turn] = (0.0, 0.0, 0.0)
    scale: tuple[Scale, Scale, Scale] = (1.0, 1.0, 1.0)
    shear: tuple[Shear, Shear, Shear] = (0.0, 0.0, 0.0)
    flip: bool = False
