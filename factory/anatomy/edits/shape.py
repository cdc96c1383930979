"""Parameters of the edits that give a head or a part of it another shape or size."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Operator
from factory.config.parameters import Number, Option, extremes
from factory.config.section import allowed, one_of, problem
from factory.config.types import Scale, Shear, Smoothness, Turn, WarpMillimetres, Weeks

HeadMillimetres = Annotated[float, Field(ge=20, le=150), allowed("20 to 150 mm")]
CerebellumMillimetres = Annotated[float, Field(ge=5, le=70), allowed("5 to 70 mm")]
NormShare = Annotated[float, Field(ge=0.2, le=1.5), allowed("a share of the norm, 0.2 to 1.5")]
HemisphereShare = Annotated[float, Field(ge=-0.4, le=0.2), allowed("a share from -0.4 to 0.2")]
VentricleShare = Annotated[float, Field(ge=-0.6, le=1.5), allowed("a share from -0.6 to 1.5")]
YesOrNo = Annotated[bool, allowed("true, false")]
Side = Annotated[Literal["left", "right"], one_of(("left", "right"))]

LENGTH = 1.4
"""How many times as long as wide or high a head is, at most: about 1.3 where it is healthy."""


class Deform(Operator):
    """A random diffeomorphic warp with turning, scaling and shearing, about (z, y, x).

    Each axis is a parameter of its own: rotation_degrees: [{uniform: [-10, 10]}, 0, 0].
    """

    function: ClassVar[str] = "factory.anatomy.edits.deform.edit:deform"
    seconds_per_megavoxel: ClassVar[float] = 0.7
    random: ClassVar[bool] = True

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


def _furthest(parameter: Any) -> float:
    return max(map(abs, extremes(parameter)))


class Microcephaly(Operator):
    """The whole head scaled down until its diameters, inside the skull, are those asked for.

    Of one alone the other follows in proportion.
    """

    function: ClassVar[str] = "factory.anatomy.edits.microcephaly.edit:microcephaly"
    seconds_per_megavoxel: ClassVar[float] = 0.25

    biparietal_mm: Number[HeadMillimetres] | None = None
    occipito_frontal_mm: Number[HeadMillimetres] | None = None

    @model_validator(mode="after")
    def _something(self) -> "Microcephaly":
        if self.biparietal_mm is None and self.occipito_frontal_mm is None:
            raise problem("no diameter; allowed: biparietal_mm, occipito_frontal_mm, or both")
        return self


class Grow(Operator):
    """The subject taken to another gestational age along the phantom's growth curves.

    Sizes and proportions follow; folds are neither made nor unmade.
    """

    function: ClassVar[str] = "factory.anatomy.edits.grow.edit:grow"
    seconds_per_megavoxel: ClassVar[float] = 1.3
    wants_age: ClassVar[bool] = True

    to_weeks: Number[Weeks]

    @classmethod
    def reaches_weeks(cls, values: dict[str, Any]) -> float:
        return max(extremes(values["to_weeks"]))


class Asymmetry(Operator):
    """One hemisphere, or its lateral ventricle, larger or smaller by a share of its volume."""

    function: ClassVar[str] = "factory.anatomy.edits.asymmetry.edit:asymmetry"
    seconds_per_megavoxel: ClassVar[float] = 1.7

    side: Option[Side]
    hemisphere_share: Number[HemisphereShare] | None = None
    ventricle_share: Number[VentricleShare] | None = None

    @model_validator(mode="after")
    def _something(self) -> "Asymmetry":
        if self.hemisphere_share is None and self.ventricle_share is None:
            raise problem("no share; allowed: hemisphere_share, ventricle_share, or both")
        return self


class CerebellarHypoplasia(Operator):
    """The cerebellum contracted until its diameter is that asked for, in mm or of the norm's.

    The posterior fossa stays: external CSF fills what the cerebellum gives up.
    """

    function: ClassVar[str] = (
        "factory.anatomy.edits.cerebellar_hypoplasia.edit:cerebellar_hypoplasia"
    )
    seconds_per_megavoxel: ClassVar[float] = 0.1
    wants_age: ClassVar[bool] = True

    transcerebellar_mm: Number[CerebellumMillimetres] | None = None
    share_of_norm: Number[NormShare] | None = None

    @model_validator(mode="after")
    def _one(self) -> "CerebellarHypoplasia":
        if (self.transcerebellar_mm is None) == (self.share_of_norm is None):
            given = "no diameter" if self.share_of_norm is None else "two diameters"
            raise problem(f"{given}; allowed: transcerebellar_mm or share_of_norm")
        return self
