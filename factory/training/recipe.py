"""What a training recipe may say: what every family shares, and SPADE's own."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.loading import Section, allowed, one_of
from factory.config.types import Text

Count = Annotated[int, Field(ge=1), allowed("a whole number, 1 or more")]
Whole = Annotated[int, Field(ge=0), allowed("a whole number, 0 or more")]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False), allowed("a number, 0 or more")]
Rate = Annotated[float, Field(gt=0, le=1), allowed("a number above 0, at most 1")]
Decay = Annotated[float, Field(ge=0, lt=1), allowed("a number from 0 to below 1")]
Millimetres = Annotated[float, Field(gt=0, le=20), allowed("a number of mm above 0, at most 20")]


class TrainingSubjects(Section):
    """Image and label pairs in a layout of storage's, and which of them are never learnt from.

    hold_out: ids; in stacks those of persons, whose phases stay together. spacing_mm: every volume
    is learnt at each of these voxel sizes (stacks: in plane).
    """

    path: Text
    layout: Annotated[Literal["bids", "short_axis"], one_of(("bids", "short_axis"))] = "bids"
    rec: Text | None = None
    mapping: Text | dict[int, str] | None = None
    hold_out: tuple[Text, ...] = ()
    spacing_mm: Annotated[tuple[Millimetres, ...], Field(min_length=1), allowed("a list of mm")] = (
        1.0,
    )


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


class Optimiser(Section):
    """Adam with two time scales."""

    lr_generator: Rate = 1e-4
    lr_discriminator: Rate = 4e-4
    beta1: Decay = 0.0
    beta2: Decay = 0.9


class Training(Section):
    """What the training recipe of every family says. batch: samples a step, over all workers."""

    family: str
    name: Text
    seed: Annotated[int, Field(ge=0, lt=2**31), allowed("a whole number from 0 to 2147483647")]
    licence: Text
    batch: Count = 1
    mixed_precision: bool = False
    workers: Count = 1
    threads: Count = 1
    device: Annotated[Literal["auto", "cpu", "cuda"], one_of(("auto", "cpu", "cuda"))] = "auto"
    log_every: Count = 50
    sample_every: Count = 500
    checkpoint_every: Count = 250
    output: Text


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
