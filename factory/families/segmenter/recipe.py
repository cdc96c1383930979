"""The training recipe of a segmenter."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Rate, Text, Weight
from factory.training.recipe import Augment, Count, Training, TrainingSubjects


class SegmenterModel(Section):
    """The network; see factory.models.segmenter.SegmenterConfig."""

    width: Count = 16


class SegmenterAugment(Augment):
    """Random rotations, zooms and shifts in the plane, and random changes of the intensities.

    Attributes:
        gamma: Standard deviation of the logarithm of the exponent.
        gain: Standard deviation of the logarithm of the factor.
        noise: Standard deviation of the noise's own standard deviation, in units of the 99.5th
            percentile inside the brain.
    """

    gamma: Weight = 0.0
    gain: Weight = 0.0
    noise: Weight = 0.0


class SegmenterTraining(Training):
    """The training recipe: one network for slices of all orientations.

    Attributes:
        subjects: The subjects to train on.
        judges: The name or folder of the generator whose images the segmenter will judge. The card
            lists the subjects that both were trained on.
        orientations: The orientations of the slices.
        crop: Side of the training slices in pixels.
        model: The network.
        augment: Random changes of the training slices.
        learning_rate: Constant for the first half of the steps, then falling to 0.
        steps: Length of the training.
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
