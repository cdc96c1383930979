"""The section of a recipe that states how its label maps are painted."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Tag, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Factor, Text
from factory.families.contrast.section import ContrastAppearance


class RejectOutliersValues(Section):
    """The parameter of the fusion rule reject_outliers."""

    m: Factor


class FuseBy(Section):
    """A fusion of the three orientations that has a parameter.

    Attributes:
        reject_outliers: A value that differs from the median by m or more median distances is
            replaced by the median.
        cnn: A trained fusion network, by its name or folder.
    """

    reject_outliers: RejectOutliersValues | None = None
    cnn: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> "FuseBy":
        if (self.reject_outliers is None) == (self.cnn is None):
            raise problem("allowed: one of reject_outliers, cnn")
        return self


FUSE_OTHERS = ("{reject_outliers: {m: 0.5}}", "{cnn: MODEL}")


Fuse = Annotated[
    Annotated[FuseBy, Tag("<rule>")]
    | Annotated[str, one_of(("mean", "closest_two"), *FUSE_OTHERS), Tag("<name>")],
    Discriminator(lambda value: "<rule>" if isinstance(value, dict | Section) else "<name>"),
]


class Appearance(Section):
    """The painting model by its name or folder, and how the images of its orientations are fused.

    mixed_precision: Whether a SPADE model computes in bfloat16.
    """

    model: Text
    fuse: Fuse = "mean"
    # false becomes null, so that a recipe that states the default has the same digest
    mixed_precision: Annotated[bool | None, AfterValidator(lambda value: value or None)] = None

    @property
    def fusion(self) -> str | None:
        """The trained fusion network, if the section names one."""
        return self.fuse.cnn if isinstance(self.fuse, FuseBy) else None


def _appearance_tag(value: Any) -> str:
    """Return which kind of appearance a value is; without a hint it is that of a model."""
    if isinstance(value, str):
        return "<name>"
    is_contrast = isinstance(value, dict) and "contrast" in value
    return "<contrast>" if is_contrast or isinstance(value, ContrastAppearance) else "<model>"


AppearanceSection = Annotated[
    Annotated[Appearance, Tag("<model>")]
    | Annotated[ContrastAppearance, Tag("<contrast>")]
    | Annotated[
        Literal["original"],
        allowed("{model: MODEL}, {contrast: CONTRAST}, or original: the subject's own image"),
        Tag("<name>"),
    ],
    Discriminator(_appearance_tag),
]
"""A model that paints the label maps; a contrast, without a network; or `original`: the subject's
own image, as edits move it."""
