"""What the training recipe of a label VAE may say."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Decay, Rate, Weight, Whole
from factory.training.recipe import Augment, Count, Training, TrainingSubjects

Side = Annotated[int, Field(ge=8, le=512), allowed("a whole number of voxels, 8 to 512")]
Share = Annotated[float, Field(ge=0, le=1), allowed("a number from 0 to 1")]


class VaeModel(Section):
    """See factory.models.label_vae.LabelVaeConfig."""

    latent: Count = 64
    width: Annotated[int, Field(gt=0, multiple_of=4), allowed("a multiple of 4")] = 16
    most: Annotated[int, Field(gt=0, multiple_of=4), allowed("a multiple of 4")] = 128


class VaeLoss(Section):
    """Cross-entropy in nats a map, plus beta times the KL in nats. beta grows from 0 over the
    first `anneal` of the steps: codes are learnt before they are pressed together."""

    beta: Weight = 1.0
    anneal: Share = 0.2


class LabelVaeTraining(Training):
    """`factory train` for the label VAE.

    shape: (y, x) to learn slices, (z, y, x) to learn volumes. steps: at most; at half of them the
    rate begins to fall to 0. patience: rows of losses.csv in which the held-out loss may fail to
    fall before the training ends; 0 goes on to the last step. ema: of the weights that are scored
    and exported, those at the least held-out loss.
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
