"""What a recipe may say of anatomies between its subjects."""

from typing import Annotated

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Text

Count = Annotated[int, Field(ge=1, le=10_000), allowed("a whole number, 1 or more")]
Slices = Annotated[int, Field(ge=2, le=512), allowed("a whole number of slices, 2 to 512")]
Ids = Annotated[tuple[Text, ...], Field(min_length=2), allowed("a list of two subjects or more")]


class Pairs(Section):
    """How many pairs of subjects: those whose anatomies are most alike, or any, by the seed.

    Two of one person are no pair, nor are two of different phases.
    """

    nearest: Count | None = None
    random: Count | None = None

    @model_validator(mode="after")
    def _one(self) -> "Pairs":
        if (self.nearest is None) == (self.random is None):
            raise problem("allowed: one of nearest, random")
        return self


class Interpolate(Section):
    """New anatomies by a label VAE instead of the subjects themselves (Amirrajab et al.).

    between: from each subject of the list to the next, in `steps` anatomies on the way; or as many
    `pairs`. Without either, every subject itself in `slices` slices.
    """

    model: Text
    between: Ids | None = None
    pairs: Pairs | None = None
    steps: Count = 8
    slices: Slices = 32
    method: Annotated[str, one_of(("linear", "spherical"))] = "linear"

    @model_validator(mode="after")
    def _ways(self) -> "Interpolate":
        if self.between and self.pairs:
            raise problem("both between and pairs; allowed: one of them, or neither")
        return self
