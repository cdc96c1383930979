"""What the training recipe of a segmenter may say."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Rate, Text, Weight
from factory.training.recipe import Augment, Count, Training, TrainingSubjects


class SegmenterModel(Section):
    """See factory.models.segmenter.SegmenterConfig."""

    width: Count = 16


class SegmenterAugment(Augment):
    """Turns, zooms and shifts in the plane; and of the image alone, as normal deviations about
    none: gamma (of its logarithm), gain (likewise), and noise, in units of the brain's 99.5th
    percentile."""

    gamma: Weight = 0.0
    gain: Weight = 0.0
    noise: Weight = 0.0


class SegmenterTraining(Training):
    """`factory train` for the segmenter: one network for slices of every orientation.

    judges: the generator whose images it is to judge, by its name or folder; the card then lists
    the subjects that both learnt from. crop: side of the training slices. steps: at half of them
    the rate begins to fall to 0.
    """

    family: Annotated[Literal["segmenter"], one_of(("segmenter",))]
    subjects: TrainingSubjects
    judges: Text | None = None
    orientations: Annotated[
        tuple[Literal["sagittal", "coronal", "axial"], ...],
        Field(min_length=1),
        allowed("a list of sagittal, coronal, axial"),
    ] = ("sagittal", "coronal", "axial")
    crop: Annotated[int, Field(gt=0, multiple_of=16), allowed("a multiple of 16")] = 128
    model: SegmenterModel = SegmenterModel()
    augment: SegmenterAugment = SegmenterAugment()
    learning_rate: Rate = 3e-3
    steps: Count = 2000
