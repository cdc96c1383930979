"""The training recipe of the CNN fusion."""

from typing import Annotated, Literal

from pydantic import Field

from factory.config.section import Section, allowed, one_of
from factory.config.types import Rate, Text, Whole
from factory.training.recipe import Count, Training, TrainingSubjects

Folds = Annotated[int, Field(ge=1), allowed("a whole number, 1 or more")]
Depth = Annotated[int, Field(ge=2), allowed("a whole number, 2 or more")]
Smoothness = Annotated[float, Field(ge=0, le=50), allowed("0 to 50 mm")]
Share = Annotated[float, Field(gt=0, le=1), allowed("a number above 0, at most 1")]
Patch = Annotated[int, Field(ge=8, multiple_of=2), allowed("an even number of voxels, 8 or more")]


class Spade(Section):
    """The SPADE networks whose volumes are fused.

    Attributes:
        recipe: How SPADE is trained on each fold.
        model: The model for which the fusion is trained; it was trained on all training subjects.
        folds: Number of blocks of consecutive ages. With 1, the model itself paints the subjects
            that it was trained on: a demonstration, which the card marks as such.
    """

    recipe: Text
    model: Text
    folds: Folds = 2


class Cnn(Section):
    """The network; see factory.models.cnn_fusion.CnnFusionConfig."""

    width: Count = 16
    depth: Depth = 5
    patch: Patch = 32


class Adam(Section):
    """The optimiser."""

    lr: Rate = 1e-3


class CnnFusionTraining(Training):
    """The training recipe: folds of SPADE first, then the network that fuses their volumes.

    Attributes:
        subjects: The subjects to train on; they replace those of the SPADE recipe.
        spade: The SPADE networks whose volumes are fused.
        model: The network that fuses.
        optimiser: The optimiser of that network.
        tone_mm: Differences between the real volume and the mean of the painted ones that are
            smoother than this are not learnt; 0 learns them too, as in the paper. SPADE's tone
            errs by a different amount on each unseen subject, so what is learnt of it on some
            subjects is wrong on others.
        least_error: The error of the painted volumes is scaled by a random factor from here to 1,
            drawn for each patch: the model for which the fusion is trained has seen more subjects
            than its folds, and errs less.
        niter: Epochs at a constant learning rate; an epoch shows as many patches as contain tissue,
            half a patch apart.
        niter_decay: Epochs at a linearly falling learning rate.
    """

    family: Annotated[Literal["cnn_fusion"], one_of(("cnn_fusion",))]
    subjects: TrainingSubjects
    spade: Spade
    model: Cnn = Cnn()
    optimiser: Adam = Adam()
    tone_mm: Smoothness = 3.0
    least_error: Share = 0.3
    niter: Whole = 5
    niter_decay: Whole = 0

    @property
    def same_subject(self) -> bool:
        """Whether SPADE paints the subjects that it was trained on."""
        return self.spade.folds == 1
