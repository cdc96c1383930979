"""The training recipe of ultrasound to MR."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Decay, Text, Weight, Whole
from factory.training.recipe import Augment, Count, Optimiser, Training, TrainingSubjects

METHODS = ("ours", "autoencoder", "gan", "cyclegan")


class Heads(Section):
    """Ultrasounds of heads, in the layout of the HC18 challenge.

    Attributes:
        path: The folder.
        hold_out_every: Every n-th person, in the order of their ids, is held out; 0 for nobody.
        circumference_mm: The smallest and the largest head to use.
    """

    path: Text
    hold_out_every: Whole = 5
    circumference_mm: Annotated[tuple[Weight, Weight], allowed("[smallest, largest] in mm")] = (
        150.0,
        400.0,
    )

    @model_validator(mode="after")
    def _check_selection(self) -> "Heads":
        """Refuse to hold everybody out, and an empty range of circumferences."""
        if self.hold_out_every == 1:
            text = "value 1 holds everybody out; allowed: 0, or 2 or more"
            raise problem(text, at=("hold_out_every",))
        low, high = self.circumference_mm
        if low > high:
            text = "value {value}; allowed: [smallest, largest] in mm"
            raise problem(text, [low, high], at=("circumference_mm",))
        return self


class UltrasoundModel(Section):
    """The networks; see factory.models.ultrasound_to_mri.network.UltrasoundToMriConfig.

    Attributes:
        attention: Turning it off is an ablation of the paper.
    """

    width: Count = 16
    depth: Annotated[int, Field(ge=2, le=6), allowed("a whole number from 2 to 6")] = 4
    most: Count = 128
    attention: bool = True
    skips: bool = True


class UltrasoundLoss(Section):
    """The losses.

    Attributes:
        l1: λ of equations 1 and 5.
        structural: Whether the discriminator of equation 4 is used; turning it off is an ablation.
        bi_latent: Whether the discriminator of equation 8 is used; turning it off is an ablation.
    """

    l1: Weight = 10.0
    structural: bool = True
    bi_latent: bool = True


class UltrasoundToMriTraining(Training):
    """The training recipe of ultrasound to MR (Jiao et al.).

    The batch of a step contains as many ultrasounds as MR planes; they are not paired.

    Attributes:
        method: The paper's method ("ours"), or a baseline of its table with the same networks.
        ultrasound: The ultrasounds to train on.
        subjects: The MR volumes to train on, with their label maps.
        model: The networks.
        discriminator: Channels of the discriminators' first layer.
        loss: The losses.
        optimiser: Learning rates and momenta of Adam.
        augment: Random transforms of the planes.
        ema: Decay of the averaged weights, which are drawn, scored and exported.
        steps: Number of steps.
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
