"""What a training recipe of the CNN fusion may say."""

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
    """Whose volumes are fused. recipe: how SPADE is trained on each fold. model: the one trained
    on all of the subjects, which the fusion is made for. folds: contiguous blocks of age; 1 lets
    the model itself paint the subjects it has learnt from: a demonstration, marked as such."""

    recipe: Text
    model: Text
    folds: Folds = 2


class Cnn(Section):
    """The network: see factory.models.cnn_fusion.CnnFusionConfig."""

    width: Count = 16
    depth: Depth = 5
    patch: Patch = 32


class Adam(Section):
    lr: Rate = 1e-3


class CnnFusionTraining(Training):
    """`factory train` for the CNN fusion, its folds of SPADE first.

    tone_mm: differences between the real volume and the mean of the painted ones that are smoother
    than this are left out of what is learnt; 0 learns them too, as in the paper. SPADE's tone on a
    subject that it has not seen is off by another amount on each, and what is learnt of it on some
    is wrong on others.
    least_error: what the painted volumes err by is scaled by a factor drawn from here to 1 for
    each patch, since the model that the fusion is for has seen more than its folds, and errs less.
    niter, niter_decay: epochs at a constant and at a linearly falling rate; one epoch shows as
    many patches as hold tissue, half a patch apart. subjects stand in place of those of the
    SPADE recipe.
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
        """Whether what is painted has been seen in training."""
        return self.spade.folds == 1
