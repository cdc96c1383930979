"""What a training recipe of the toy family may say."""

from typing import Annotated, Literal

from factory.config.section import one_of
from factory.training.recipe import Training, TrainingSubjects


class FlatTraining(Training):
    """One tone a label."""

    family: Annotated[Literal["flat"], one_of(("flat",))]
    subjects: TrainingSubjects
