"""Training of an anatomy generator: people are registered one by one to the most typical of them.

The person in the middle of the covariate (or of the sizes, where there is none) is the reference.
The others follow in the order of their distance; each begins where its nearest predecessor ended.
"""

from collections.abc import Sequence

import numpy as np
import torch

from factory.families.anatomy.drawing import labels_at
from factory.families.anatomy.recipe import AnatomyTraining
from factory.families.anatomy.registration import (
    Person,
    RegistrationLevel,
    first_logarithm,
    label_codes,
    register_person,
)
from factory.models.anatomy import NodeLattice, PersonMaps
from factory.storage.subjects.types import Subject
from factory.training.loop import TrainingLoop
from factory.training.run import Run

MARGIN = 1.25
"""The common space is larger than the reference's labels by this."""


def covariate_of(subject: Subject) -> float | None:
    """Return the number by which a subject's nearest are sought, its age; None without one."""
    age = subject.metadata.get("gestational_age_weeks")
    return None if age is None else float(age)


def find_reference(subjects: Sequence[Subject], people: Sequence[Person]) -> int:
    """Return the index of the most typical subject: of the middle age, or of the mean size."""
    ages = [covariate_of(s) for s in subjects]
    values = [[age] for age in ages] if None not in ages else [p.spread_mm for p in people]
    rows = np.asarray(values, float)
    return int(np.abs(rows - rows.mean(0)).sum(1).argmin())


def order_people(subjects: Sequence[Subject], reference: int) -> list[tuple[int, int]]:
    """Return whom to register, each with the index of the person whose map it begins with.

    Without ages everybody begins with the reference.
    """
    ages = [covariate_of(s) for s in subjects]
    others = [i for i in range(len(subjects)) if i != reference]
    if None in ages:
        return [(i, reference) for i in others]
    weeks = np.asarray(ages, float)
    distance = np.abs(weeks[:, None] - weeks)
    order, done = [], [reference]
    for i in sorted(others, key=lambda i: distance[i, reference]):
        order.append((i, min(done, key=lambda j: distance[i, j])))
        done.append(i)
    return order


def common_lattice(reference: Person, step_mm: float) -> NodeLattice:
    """Return the lattice of the common space: around the reference, with a margin."""
    voxels = np.argwhere(reference.label > 0)
    far = np.abs(voxels - np.asarray(reference.centre)).max(0) * np.asarray(reference.spacing)
    z, y, x = (2 * far * MARGIN).tolist()
    return NodeLattice.covering((z, y, x), step_mm)


def train(recipe: AnatomyTraining, subjects: Sequence[Subject], run: Run) -> None:
    """Register everybody; people whose maps are in the run's checkpoint are not done again.

    Args:
        recipe: The training recipe.
        subjects: The people, their labels in one table.
        run: The folder; one worker.
    """
    people = [Person.of(subject.label, subject.grid.spacing) for subject in subjects]
    reference = find_reference(subjects, people)
    section = recipe.registration
    lattice = common_lattice(people[reference], section.lattice_mm)
    codes = label_codes(people, len(subjects[0].table.names), recipe.seed)
    levels = [RegistrationLevel(level.step_mm, level.steps) for level in section.levels]
    maps = PersonMaps(len(people), lattice)
    run.unit = "people"
    order = order_people(subjects, reference)
    loop = TrainingLoop(recipe, run, {"maps": maps}, {}, len(order))
    for step in loop.steps():
        index, start = order[step]
        logarithm, velocity = maps.logarithm[start], maps.velocity[start]
        size = first_logarithm(people[index], people[start])
        logarithm, velocity = register_person(
            people[index],
            people[reference],
            codes,
            lattice,
            levels,
            section.stiffness,
            (logarithm + size, velocity),
        )
        maps.logarithm[index], maps.velocity[index] = logarithm, velocity
        maps.registered[index] = 1
        dice = overlap(people[index], people[reference], maps, index)
        loop.log({"dice": dice})
        loop.save({"dice": torch.tensor(dice)})


@torch.no_grad()
def overlap(person: Person, reference: Person, maps: PersonMaps, index: int) -> float:
    """Return the mean Dice of the labels of a person and the reference in the common space."""
    points = maps.lattice.points(min(reference.spacing))
    identity = torch.zeros(3, 4), torch.zeros_like(maps.velocity[index])
    at_person = labels_at(
        person, points, (maps.logarithm[index], maps.velocity[index]), maps.lattice
    )
    at_reference = labels_at(reference, points, identity, maps.lattice)
    values = np.unique(reference.label)[1:]
    dice = [
        2 * ((at_person == v) & (at_reference == v)).sum()
        / max(1, (at_person == v).sum() + (at_reference == v).sum())
        for v in values
    ]  # fmt: skip
    return float(np.mean(dice))
