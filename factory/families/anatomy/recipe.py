"""The training recipe of an anatomy generator."""

from typing import Annotated, Literal

from pydantic import Field

from factory.anatomy.edits.registry import Edit
from factory.config.section import Section, allowed, one_of
from factory.config.types import Weight
from factory.training.recipe import Count, Training, TrainingSubjects

Step = Annotated[float, Field(ge=1, le=50), allowed("1 to 50 mm")]
Modes = Annotated[int, Field(ge=1, le=256), allowed("a whole number, 1 to 256")]


class LevelSection(Section):
    """One level of the registration: the points that are compared, and the optimiser's steps."""

    step_mm: Step
    steps: Count = 40


class Registration(Section):
    """How people are brought into one common space.

    Attributes:
        lattice_mm: The step of the velocities' lattice.
        levels: From coarse to fine.
        stiffness: The weight of the velocity's mean squared gradient.
    """

    lattice_mm: Step = 6.0
    levels: Annotated[
        tuple[LevelSection, ...], Field(min_length=1), allowed("a list of step_mm and steps")
    ] = (LevelSection(step_mm=5), LevelSection(step_mm=3.2, steps=50), LevelSection(step_mm=2))
    stiffness: Weight = 0.005


class Bump(Section):
    """Deformations beside those seen between people: Gaussian, of a width and a deviation."""

    width_mm: Step
    sd_mm: Weight


class Deformations(Section):
    """The space of deformations: its leading directions.

    Attributes:
        count: How many directions there are.
        lattice_mm: The step of their lattice.
        local_mm: How far deformations that are seen between people are believed to act together.
        bumps: What is possible besides.
        mirror: Whether every deformation may also occur with left and right exchanged.
    """

    count: Modes = 52
    lattice_mm: Step = 10.0
    local_mm: Annotated[float, Field(ge=5, le=500), allowed("5 to 500 mm")] = 35.0
    bumps: tuple[Bump, ...] = (Bump(width_mm=18, sd_mm=1.5),)
    mirror: bool = True


class AnatomyTraining(Training):
    """The training recipe of an anatomy generator.

    Attributes:
        subjects: The people, at the first spacing; the label maps of those who are not held out
            become a part of the model.
        slice_mm: The distance of the slices of stacks whose files do not say it.
        anatomy: Edits that every training subject undergoes first, with fixed sizes.
        outline_mm: What is labelled loses what is thinner than twice this, as ragged edges are.
        registration: How people are brought into one common space.
        deformations: The space of deformations between people.
        growth: Whose growth curves say how large a sample is at its age; without it, sizes vary as
            those of the people.
    """

    family: Annotated[Literal["anatomy"], one_of(("anatomy",))]
    subjects: TrainingSubjects
    slice_mm: Step | None = None
    anatomy: tuple[Edit, ...] = ()  # type: ignore[valid-type]
    outline_mm: Weight = 0.0
    registration: Registration = Registration()
    deformations: Deformations = Deformations()
    growth: Annotated[Literal["fetal_head"], one_of(("fetal_head",))] | None = None
