"""What a recipe may say of how its samples look."""

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Tag, model_validator

from factory.config.section import Section, one_of, problem
from factory.config.types import Factor, Text


class RejectOutliersValues(Section):
    m: Factor


class FuseBy(Section):
    """reject_outliers: values m or more median distances from the median give way to the median.
    cnn: a trained fusion, by its name or folder."""

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
    """A model by its name or folder, how its orientations are fused, and whether a SPADE model
    draws in bfloat16 (mixed_precision)."""

    model: Text
    fuse: Fuse = "mean"
    # false is null, so that a recipe that says what is so anyway remains the same recipe
    mixed_precision: Annotated[bool | None, AfterValidator(lambda asked: asked or None)] = None

    @property
    def fusion(self) -> str | None:
        """The trained fusion it names, if any."""
        return self.fuse.cnn if isinstance(self.fuse, FuseBy) else None
