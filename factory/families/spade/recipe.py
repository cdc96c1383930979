"""What a training recipe of SPADE may say."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Weight, Whole
from factory.training.recipe import Count, Optimiser, Training, TrainingSubjects


class Model(Section):
    """The generator: see factory.models.spade.network.SpadeConfig."""

    width: Count = 64
    hidden: Count = 128
    latent: Whole = 0
    norm: Annotated[Literal["batch", "instance"], one_of(("batch", "instance"))] = "batch"


class Discriminator(Section):
    width: Count = 64
    scales: Count = 2


class Loss(Section):
    """Weights beside the hinge loss. reconstruction (L1 on the image) is not in the SPADE paper:
    it stands in for the perceptual loss where no pretrained features are at hand."""

    feature_matching: Weight = 10.0
    perceptual: Weight = 0.0
    reconstruction: Weight = 0.0
    kl: Weight = 0.05


class SpadeTraining(Training):
    """`factory train` for SPADE: one network an orientation.

    crop: side of the training slices, a multiple of 32. niter, niter_decay: epochs at a constant
    and at a linearly falling rate; one epoch shows as many slices as hold tissue.
    """

    family: Annotated[Literal["spade"], one_of(("spade",))]
    subjects: TrainingSubjects
    orientations: Annotated[
        tuple[Literal["sagittal", "coronal", "axial"], ...],
        Field(min_length=1),
        allowed("a list of sagittal, coronal, axial"),
    ] = ("sagittal", "coronal", "axial")
    crop: Annotated[int, Field(gt=0, multiple_of=32), allowed("a multiple of 32")] = 256
    model: Model = Model()
    discriminator: Discriminator = Discriminator()
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    niter: Whole = 50
    niter_decay: Whole = 0
