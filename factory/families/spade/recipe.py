"""The training recipe of SPADE."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Weight, Whole
from factory.training.recipe import Count, Optimiser, Training, TrainingSubjects


class Model(Section):
    """The generator; see factory.models.spade.network.SpadeConfig."""

    width: Count = 64
    hidden: Count = 128
    latent: Whole = 0
    norm: Annotated[Literal["batch", "instance"], one_of(("batch", "instance"))] = "batch"


class Discriminator(Section):
    """The discriminator; see factory.models.spade.network.MultiScaleDiscriminator."""

    width: Count = 64
    scales: Count = 2


class Loss(Section):
    """Weights of the losses, relative to the hinge loss.

    Attributes:
        feature_matching: L1 between the discriminator's features of real and fake images.
        perceptual: L1 between VGG features of real and fake images.
        reconstruction: L1 between real and fake images. It is not in the SPADE paper; it replaces
            the perceptual loss where no pretrained features are installed.
        kl: KL divergence of the style codes from their prior.
    """

    feature_matching: Weight = 10.0
    perceptual: Weight = 0.0
    reconstruction: Weight = 0.0
    kl: Weight = 0.05


class SpadeTraining(Training):
    """The training recipe: one network for each orientation.

    Attributes:
        subjects: The subjects to train on.
        orientations: The orientations that are trained.
        crop: Side of the training slices in pixels, a multiple of 32.
        model: The generator.
        discriminator: The discriminator.
        loss: Weights of the losses.
        optimiser: Learning rates and moments of Adam.
        niter: Epochs at a constant learning rate; an epoch shows as many slices as contain tissue.
        niter_decay: Epochs at a linearly falling learning rate.
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
