"""Scores of an anatomy generator: how well its latents reach people it has not seen.

A held-out person is fitted by an affine map and the coefficients of the modes, at most 64 numbers.
Beside it stand the affine map alone, and a registration with all the freedom of the lattice.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from factory.families.anatomy.drawing import Anchor, Individual, Window, draw_window
from factory.families.anatomy.model_files import AnatomyModel, load_anatomy
from factory.families.anatomy.registration import (
    RATE_AFFINE,
    LabelFeatures,
    Person,
    average_codes,
    first_logarithm,
    label_codes,
    levels_by_size,
)
from factory.families.anatomy.sampling import AnatomySampler
from factory.models.anatomy import map_to_person
from factory.storage.subjects.types import Subject

LATENTS = 64
"""The most numbers that a fit may have."""

Kind = tuple[float | None, str | None]
"""The age in weeks and the cardiac phase of a person; None where there is none."""

RATE_MODES = 0.1
PRIOR = 0.002
"""The weight of the mean square of the modes' coefficients."""


def evaluate(folder: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Fit people who were held out, and write scores.csv.

    Returns:
        A row for each person and label, and one of their mean: the Dice of the affine map alone
        (affine), of the fit (fit), and of the lattice's full freedom (dense).
    """
    sampler = AnatomySampler(load_anatomy(folder))
    rows = []
    for subject in subjects:
        person = Person.of(subject.label, subject.grid.spacing)
        kind = subject.metadata.get("gestational_age_weeks"), subject.metadata.get("phase")
        scores = {
            way: dice_of_fit(sampler, person, kind, way) for way in ("affine", "fit", "dense")
        }
        names = [n for v, n in enumerate(subject.table.names) if v and (person.label == v).any()]
        for position, name in enumerate([*names, "mean"]):
            row = {way: values[position] for way, values in scores.items()}
            rows.append({"subject": subject.id, "label": name, **row})
    table = pd.DataFrame(rows)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "scores.csv", index=False)
    return table


def dice_of_fit(sampler: AnatomySampler, person: Person, kind: Kind, way: str) -> list[float]:
    """Return the Dice of each label of a person after a fit, and their mean.

    Args:
        sampler: The model.
        person: The person.
        kind: The person's age in weeks and cardiac phase.
        way: "affine", "fit", or "dense".
    """
    individual = fit_person(sampler, person, kind, way)
    spacing = person.spacing
    first = -np.asarray(person.centre) * spacing
    z, y, x = first.tolist()
    shape = (person.label.shape[0], person.label.shape[1], person.label.shape[2])
    window = Window((z, y, x), shape, spacing[0])
    label, _ = draw_window(individual, sampler.model.lattice, window)
    values = np.unique(person.label)[1:]
    dice = [
        2 * ((label == v) & (person.label == v)).sum()
        / ((label == v).sum() + (person.label == v).sum())
        for v in values
    ]  # fmt: skip
    return [*map(float, dice), float(np.mean(dice))]


def fit_person(sampler: AnatomySampler, person: Person, kind: Kind, way: str) -> Individual:
    """Return the individual of a model that is most like a person; see dice_of_fit."""
    model = sampler.model
    weights = sampler.weights(*kind)
    codes = label_codes(model.people, len(sampler.table.names), 0)
    logarithm, velocity = sampler.mean_maps(weights)
    logarithm = logarithm + first_logarithm(person, mean_person(model, weights))
    levels = levels_by_size(person)
    anchors = [sampler.anchor(i, w) for i, w in enumerate(weights) if w]
    if model.ages:
        anchors = sorted(anchors, key=lambda a: -a.weight)[:2]
    else:
        coarse = average_codes(person, codes, levels[0].step_mm)
        points = model.lattice.points(levels[0].step_mm)
        maps = logarithm, velocity, model

        def difference(anchor: Anchor) -> float:
            target = average_anchors([anchor], model, codes, levels[0].step_mm, points)
            return float(mismatch(coarse, target, points, *maps))

        anchors = [min(anchors, key=difference)]
    modes = sampler.modes[: LATENTS - 12]
    free = torch.zeros_like(velocity if way == "dense" else modes[:, 0, 0, 0, 0])
    logarithm, free = logarithm.requires_grad_(True), free.requires_grad_(way != "affine")

    def individual_velocity() -> Tensor:
        if way == "dense":
            return velocity + free
        return velocity + torch.einsum("k,kczyx->czyx", free, modes)

    for level in levels:
        step_mm, steps = level.step_mm, level.steps
        points = model.lattice.points(step_mm)
        target = average_anchors(anchors, model, codes, step_mm, points)
        features = average_codes(person, codes, step_mm)
        groups = [{"params": [logarithm], "lr": RATE_AFFINE}]
        if way != "affine":
            groups.append({"params": [free], "lr": 0.5 if way == "dense" else RATE_MODES})
        optimiser = torch.optim.Adam(groups)
        for _ in range(steps):
            loss = mismatch(features, target, points, logarithm, individual_velocity(), model)
            loss = loss + PRIOR * free.square().mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return Individual(anchors, (logarithm.detach(), individual_velocity().detach()))


def mean_person(model: AnatomyModel, weights: np.ndarray) -> Person:
    """Return the nearest person of a model, with the weighted mean of all people's sizes."""
    nearest = model.people[int(weights.argmax())]
    spreads = np.average([p.spread_mm for p in model.people], axis=0, weights=weights)
    z, y, x = spreads.tolist()
    return replace(nearest, spread_mm=(z, y, x))


def average_anchors(
    anchors: list[Anchor], model: AnatomyModel, codes: Tensor, step_mm: float, points: Tensor
) -> Tensor:
    """Return the labels' vectors of anchors at points of the common space, averaged by weight."""
    total = sum(anchor.weight for anchor in anchors)
    with torch.no_grad():
        values = [
            anchor.weight / total
            * average_codes(anchor.person, codes, step_mm).at(
                map_to_person(points, *anchor.maps, model.lattice)
            )
            for anchor in anchors
        ]  # fmt: skip
    return torch.stack(values).sum(0)


def mismatch(
    features: LabelFeatures,
    target: Tensor,
    points: Tensor,
    logarithm: Tensor,
    velocity: Tensor,
    model: AnatomyModel,
) -> Tensor:
    """Return the squared difference of a person's vectors from a target, relative to the target."""
    values = features.at(map_to_person(points, logarithm, velocity, model.lattice))
    return (values - target).square().sum(-1).mean() / target.square().sum(-1).mean()
