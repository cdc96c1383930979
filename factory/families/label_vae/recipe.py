"""The training recipe of a label VAE."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Decay, Rate, Weight, Whole
from factory.training.recipe import Augment, Count, Training, TrainingSubjects

Side = Annotated[int, Field(ge=8, le=512), allowed("a whole number of voxels, 8 to 512")]
Share = Annotated[float, Field(ge=0, le=1), allowed("a number from 0 to 1")]


class VaeModel(Section):
    """The network; see factory.models.label_vae.LabelVaeConfig."""

    latent: Count = 64
    width: Annotated[int, Field(gt=0, multiple_of=4), allowed("a multiple of 4")] = 16
    most: Annotated[int, Field(gt=0, multiple_of=4), allowed("a multiple of 4")] = 128


class VaeLoss(Section):
    """The loss: cross-entropy plus beta times the KL divergence, both in nats for each label map.

    Attributes:
        beta: The final weight of the KL divergence.
        anneal: The share of the steps over which the weight rises from 0 to beta, so that the codes
            become informative before they are pulled towards the prior.
    """

    beta: Weight = 1.0
    anneal: Share = 0.2


class LabelVaeTraining(Training):
    """The training recipe of a label VAE.

    Attributes:
        subjects: The subjects to train on, and the ones to hold out.
        shape: (y, x) to train on slices, (z, y, x) to train on volumes, in voxels.
        model: The network.
        loss: The weights of the loss.
        augment: Random transforms of the label maps.
        learning_rate: The rate of Adam during the first half of the steps; then it falls to 0.
        ema: Decay of the averaged weights, which are scored and exported.
        steps: The largest number of steps.
        patience: The number of rows of losses.csv without a lower held-out loss after which the
            training stops; 0 continues to the last step.
    """

    family: Annotated[Literal["label_vae"], one_of(("label_vae",))]
    subjects: TrainingSubjects
    shape: Annotated[
        tuple[Side, ...], Field(min_length=2, max_length=3), allowed("[y, x] or [z, y, x], voxels")
    ]
    model: VaeModel = VaeModel()
    loss: VaeLoss = VaeLoss()
    augment: Augment = Augment()
    learning_rate: Rate = 1e-3
    ema: Decay = 0.999
    steps: Count = 5000
    patience: Whole = 0
