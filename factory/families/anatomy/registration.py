"""Registration of label maps: the smooth map that takes one person's labels to another's.

A label is a vector, so that label maps can be blurred, interpolated and subtracted: the unit
vectors where there are few labels, else random directions that lie far apart. Rare labels have
longer ones. The squared difference of the vectors, plus the bending of the velocity, is minimised
over the velocity and the affine map, from coarse to fine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from factory.models.anatomy import NodeLattice, map_to_person, sample_volume

CODE_LENGTH = 10
"""How many numbers stand for a label, where there are more labels than that."""

LONGEST, SHORTEST = 30.0, 0.2
"""Bounds of a label's weight, relative to the mean of all voxels."""

RATE_MM, RATE_AFFINE = 0.5, 0.003
"""Learning rates of the velocity and of the affine map's logarithm."""


@dataclass(frozen=True)
class Person:
    """A label map to register.

    Attributes:
        label: [z, y, x].
        spacing: mm (z, y, x).
        centre: The middle of what is labelled, in voxels (z, y, x).
        spread_mm: The standard deviations of what is labelled, mm (z, y, x).
    """

    label: np.ndarray
    spacing: tuple[float, float, float]
    centre: tuple[float, float, float]
    spread_mm: tuple[float, float, float]

    @staticmethod
    def of(label: np.ndarray, spacing: tuple[float, float, float]) -> "Person":
        """Return a person whose middle is the centre of mass of what is labelled."""
        voxels = np.argwhere(label > 0)
        cz, cy, cx = voxels.mean(0).tolist()
        sz, sy, sx = (voxels.std(0) * spacing).tolist()
        return Person(label, spacing, (cz, cy, cx), (sz, sy, sx))

    def places(self, points: Tensor) -> Tensor:
        """Return the voxels of points in mm from the person's middle, [..., 3]."""
        return points / torch.tensor(self.spacing) + torch.tensor(self.centre)


@dataclass(frozen=True)
class RegistrationLevel:
    """One level of a registration.

    Attributes:
        step_mm: The distance of the points that are compared, and to which labels are averaged.
        steps: Steps of the optimiser.
    """

    step_mm: float
    steps: int


POINTS_AND_STEPS = ((22, 40), (34, 50), (60, 40))
"""Levels by size: how many points lie along the longest side, and the optimiser's steps."""


def length_mm(person: Person) -> float:
    """Return about the length of a person's longest side."""
    return max(4 * s for s in person.spread_mm)


def levels_by_size(person: Person) -> list[RegistrationLevel]:
    """Return levels that suit the size of a person."""
    length = length_mm(person)
    return [RegistrationLevel(length / points, steps) for points, steps in POINTS_AND_STEPS]


@dataclass(frozen=True)
class LabelFeatures:
    """The labels' vectors of a person, averaged over boxes of voxels.

    Attributes:
        person: Whose they are.
        values: [c, z, y, x].
        factor: Voxels along each axis of a box (z, y, x).
    """

    person: Person
    values: Tensor
    factor: tuple[int, int, int]

    def at(self, points: Tensor) -> Tensor:
        """Interpolate at points in mm from the person's middle: [..., c]."""
        factor = torch.tensor(self.factor)
        return sample_volume(self.values, (self.person.places(points) - (factor - 1) / 2) / factor)


def label_codes(people: Sequence[Person], labels: int, seed: int) -> Tensor:
    """Return the labels' vectors [labels, c], those of rare labels longer.

    Args:
        people: The people, whose voxels are counted.
        labels: How many labels there are, with the background.
        seed: Seed of the directions.
    """
    counts = sum(np.bincount(p.label.ravel(), minlength=labels).astype(float) for p in people)
    counts = np.asarray(counts)
    weights = np.where(counts > 0, np.sqrt(counts.sum() / np.maximum(counts, 1)), 0)
    weights = np.clip(weights / np.average(weights, weights=counts), SHORTEST, LONGEST)
    if labels <= CODE_LENGTH:
        directions = torch.eye(labels)
    else:
        generator = torch.Generator().manual_seed(seed)
        directions = F.normalize(torch.randn(labels, CODE_LENGTH, generator=generator), dim=1)
        for _ in range(200):  # each moves away from its nearest
            nearness = directions @ directions.T
            nearness.fill_diagonal_(-9)
            directions = F.normalize(directions - 0.1 * directions[nearness.argmax(1)], dim=1)
    return directions * torch.from_numpy(weights).float().sqrt()[:, None]


def average_codes(person: Person, codes: Tensor, step_mm: float) -> LabelFeatures:
    """Return a person's vectors, averaged over boxes of about step_mm."""
    z, y, x = (max(1, round(step_mm / s)) for s in person.spacing)
    size = [n + -n % f for n, f in zip(person.label.shape, (z, y, x), strict=True)]
    padding = [(0, n - k) for n, k in zip(size, person.label.shape, strict=True)]
    label = torch.from_numpy(np.pad(person.label, padding).astype(np.int64))
    slabs = [
        F.avg_pool3d(codes[slab].movedim(-1, 0)[None], (z, y, x))[0]
        for slab in label.split(max(1, 32 // z) * z)
    ]
    values = F.avg_pool3d(F.pad(torch.cat(slabs, 1)[None], (1,) * 6, mode="replicate"), 3, 1)[0]
    return LabelFeatures(person, values, (z, y, x))


def register_person(
    person: Person,
    reference: Person,
    codes: Tensor,
    lattice: NodeLattice,
    levels: Sequence[RegistrationLevel],
    stiffness: float,
    start: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Find the map of a person from the common space, in which the reference lies unchanged.

    Args:
        person: The person.
        reference: The person whose own space is the common one.
        codes: The labels' vectors [labels, c].
        lattice: The lattice of the velocity.
        levels: From coarse to fine.
        stiffness: The weight of the velocity's mean squared gradient.
        start: The affine map's logarithm [3, 4] and the velocity [3, z, y, x] to begin with.

    Returns:
        The logarithm and the velocity.
    """
    logarithm, velocity = (value.clone().requires_grad_(True) for value in start)
    for level in levels:
        points = lattice.points(level.step_mm)
        target = average_codes(reference, codes, level.step_mm).at(points)
        features = average_codes(person, codes, level.step_mm)
        groups = [{"params": [velocity], "lr": RATE_MM}, {"params": [logarithm], "lr": RATE_AFFINE}]
        optimiser = torch.optim.Adam(groups)
        for _ in range(level.steps):
            values = features.at(map_to_person(points, logarithm, velocity, lattice))
            loss = (values - target).square().sum(-1).mean() + stiffness * bending(
                velocity, lattice
            )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return logarithm.detach(), velocity.detach()


def bending(velocity: Tensor, lattice: NodeLattice) -> Tensor:
    """Return the mean squared gradient of a velocity, without a unit."""
    slopes = [velocity.diff(dim=axis).square().mean() for axis in (1, 2, 3)]
    return torch.stack(slopes).sum() / lattice.step_mm**2


def first_logarithm(person: Person, reference: Person) -> Tensor:
    """Return the affine map that scales the reference to the person's size along each axis."""
    logarithm = torch.zeros(3, 4)
    ratio = np.asarray(person.spread_mm) / np.asarray(reference.spread_mm)
    logarithm[range(3), range(3)] = torch.from_numpy(np.log(ratio)).float()
    return logarithm
