"""What the training recipe of ultrasound to MR may say."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Decay, Text, Weight, Whole
from factory.training.recipe import Augment, Count, Optimiser, Training, TrainingSubjects

METHODS = ("ours", "autoencoder", "gan", "cyclegan")


class Heads(Section):
    """Ultrasounds of heads, in the layout of the HC18 challenge.

    hold_out_every: of so many persons in order of their ids one is never learnt from; 0 holds out
    nobody. circumference_mm: the smallest and the largest head to use.
    """

    path: Text
    hold_out_every: Whole = 5
    circumference_mm: Annotated[tuple[Weight, Weight], allowed("[smallest, largest] in mm")] = (
        150.0,
        400.0,
    )

    @model_validator(mode="after")
    def _some_left(self) -> "Heads":
        if self.hold_out_every == 1:
            text = "value 1 holds everybody out; allowed: 0, or 2 or more"
            raise problem(text, at=("hold_out_every",))
        low, high = self.circumference_mm
        if low > high:
            text = "value {value}; allowed: [smallest, largest] in mm"
            raise problem(text, [low, high], at=("circumference_mm",))
        return self


class UltrasoundModel(Section):
    """See factory.models.ultrasound_to_mri.network.UltrasoundToMriConfig. attention off is an
    ablation.
    """

    width: Count = 16
    depth: Annotated[int, Field(ge=2, le=6), allowed("a whole number from 2 to 6")] = 4
    most: Count = 128
    attention: bool = True
    skips: bool = True


class UltrasoundLoss(Section):
    """l1: λ of equations 1 and 5. structural, bi_latent: the adversaries of equations 4 and 8;
    each switched off is an ablation."""

    l1: Weight = 10.0
    structural: bool = True
    bi_latent: bool = True


class UltrasoundToMriTraining(Training):
    """`factory train` for ultrasound to MR (Jiao et al.).

    ultrasound and subjects (MR volumes with labels) are never paired. method: ours, or a baseline
    of the paper's table, by the same networks and loop. batch: of each of the two. ema: of the
    weights that are drawn, scored and exported.
    """

    family: Annotated[Literal["ultrasound_to_mri"], one_of(("ultrasound_to_mri",))]
    method: Annotated[Literal["ours", "autoencoder", "gan", "cyclegan"], one_of(METHODS)] = "ours"
    ultrasound: Heads
    subjects: TrainingSubjects
    model: UltrasoundModel = UltrasoundModel()
    discriminator: Annotated[Count, allowed("a whole number, 1 or more")] = 24
    loss: UltrasoundLoss = UltrasoundLoss()
    optimiser: Optimiser = Optimiser(
        lr_generator=3e-4, lr_discriminator=8e-4, beta1=0.5, beta2=0.999
    )
    augment: Augment = Augment(rotate_degrees=4, zoom=0.04, shift_voxels=1)
    ema: Decay = 0.998
    steps: Count = 20_000
