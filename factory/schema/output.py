"""The section of a recipe for the dataset that is rendered."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from factory.config.section import Section, allowed, problem
from factory.config.types import Intensity, Spacing, Text, Voxels

Shape = Annotated[
    Annotated[tuple[Voxels, Voxels, Voxels], Tag("<voxels>")]
    | Annotated[Literal["auto"], allowed("auto, or voxels as [z, y, x]"), Tag("<auto>")],
    Discriminator(lambda value: "<voxels>" if isinstance(value, tuple) else "<auto>"),
]


SamplesPerShard = Annotated[
    Annotated[int, Field(ge=1, le=4096)] | Literal["auto"],
    allowed("auto, or a whole number from 1 to 4096"),
]


Range = Annotated[
    Annotated[tuple[Intensity, Intensity], Tag("<limits>")]
    | Annotated[Literal["auto"], allowed("auto, or intensities as [low, high]"), Tag("<auto>")],
    Discriminator(lambda value: "<auto>" if isinstance(value, str) else "<limits>"),
]


class Output(Section):
    """The dataset: its place, its voxel grid and its intensity range.

    Attributes:
        path: A folder or URL.
        spacing_mm: The voxel spacing. Heads in ultrasound have the spacing of their frame instead.
        shape: Voxels [z, y, x], or "auto" for the smallest grid that holds every subject.
        range: The intensities that uint16 spans, in units of the brain's 99.5th percentile, or
            "auto" for those of the subjects' own images.
        uncertainty: Whether the disagreement of the orientations is stored.
        original: Whether the subjects' own images are stored.
        samples_per_shard: Samples in one shard, or "auto".
    """

    path: Text
    spacing_mm: Spacing = 1.0
    shape: Shape = "auto"
    range: Range = (0.0, 1.2)
    uncertainty: bool = False
    original: bool = False
    samples_per_shard: SamplesPerShard = "auto"

    @model_validator(mode="after")
    def _ordered(self) -> "Output":
        if self.range != "auto" and not self.range[0] < self.range[1]:
            raise problem("value {value}; allowed: [low, high]", self.range, at=("range",))
        return self
