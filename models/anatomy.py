"""Smooth invertible maps between anatomies, as tensors on coarse lattices in millimetres.

Points are float [..., 3] in mm, ordered (z, y, x). The common space is a box whose middle is 0. A
person's map takes a point x of the common space to the place y of the same tissue in the person, in
mm from the person's middle: y = A(exp(v)(x)), where v is a stationary velocity on the lattice and A
an affine map, stored as its matrix logarithm. The inverse is x = exp(-v)(A⁻¹(y)).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TRANSLATION_MM = 50.0
"""What 1 stands for in the last column of a logarithm, so that all its entries are of one size."""

SQUARINGS = 6
"""An exponential is the composition of 2 ** SQUARINGS equal small displacements."""


@dataclass(frozen=True)
class NodeLattice:
    """Nodes of a box whose middle is 0.

    Attributes:
        shape: How many nodes (z, y, x).
        step_mm: Their distance.
    """

    shape: tuple[int, int, int]
    step_mm: float

    @staticmethod
    def covering(size_mm: tuple[float, float, float], step_mm: float) -> "NodeLattice":
        """Return the lattice of a box of at least a size (z, y, x)."""
        z, y, x = (max(4, math.ceil(size / step_mm) + 1) for size in size_mm)
        return NodeLattice((z, y, x), step_mm)

    @property
    def half_mm(self) -> Tensor:
        """Half of the box's size (z, y, x)."""
        return torch.tensor([(n - 1) / 2 * self.step_mm for n in self.shape])

    def points(self, step_mm: float | None = None) -> Tensor:
        """Return points of the box [z, y, x, 3]: its nodes, or points of about another step."""
        half = self.half_mm.tolist()
        counts = self.shape
        if step_mm is not None:
            z, y, x = (round(2 * h / step_mm) + 1 for h in half)
            counts = (z, y, x)
        axes = [torch.linspace(-h, h, n) for h, n in zip(half, counts, strict=True)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def sample_field(field: Tensor, points: Tensor, lattice: NodeLattice) -> Tensor:
    """Interpolate a field [c, z, y, x] of a lattice linearly at points [..., 3]: [..., c]."""
    return sample_volume(field, points / lattice.step_mm + (lattice.half_mm / lattice.step_mm))


def sample_volume(volume: Tensor, places: Tensor, padding: str = "border") -> Tensor:
    """Interpolate an array [c, z, y, x] linearly at places [..., 3] in voxels: [..., c]."""
    last = (torch.tensor(volume.shape[1:], dtype=places.dtype) - 1).clamp_min(1)
    normalised = (2 * places / last - 1).flip(-1).reshape(1, 1, 1, -1, 3)
    values = F.grid_sample(volume[None], normalised, padding_mode=padding, align_corners=True)
    rows: Tensor = values[0, :, 0, 0].T
    return rows.reshape(*places.shape[:-1], len(volume))


def exponentiate(velocity: Tensor, lattice: NodeLattice) -> Tensor:
    """Return the displacement [3, z, y, x] of a velocity in unit time, by scaling and squaring."""
    nodes = lattice.points()
    displacement: Tensor = velocity / 2**SQUARINGS
    for _ in range(SQUARINGS):
        ahead = sample_field(displacement, nodes + displacement.movedim(0, -1), lattice)
        displacement = displacement + ahead.movedim(-1, 0)
    return displacement


def apply_affine(logarithm: Tensor, points: Tensor) -> Tensor:
    """Apply the affine map of a logarithm [3, 4] to points [..., 3]; minus it is the inverse."""
    scale = torch.tensor([1.0, 1.0, 1.0, TRANSLATION_MM])
    matrix = torch.cat([logarithm * scale, logarithm.new_zeros(1, 4)])
    matrix = torch.linalg.matrix_exp(matrix)
    moved: Tensor = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def map_to_person(
    points: Tensor, logarithm: Tensor, velocity: Tensor, lattice: NodeLattice
) -> Tensor:
    """Return where points of the common space are in a person: A(exp(v)(x))."""
    displacement = exponentiate(velocity, lattice)
    return apply_affine(logarithm, points + sample_field(displacement, points, lattice))


def map_to_common(
    points: Tensor, logarithm: Tensor, velocity: Tensor, lattice: NodeLattice
) -> Tensor:
    """Return the points of the common space that are at points of a person: exp(-v)(A⁻¹(y))."""
    before = apply_affine(-logarithm, points)
    return before + sample_field(exponentiate(-velocity, lattice), before, lattice)


class PersonMaps(nn.Module):
    """The maps of several people into one common space.

    Attributes:
        lattice: The lattice of the velocities.
        logarithm: The affine maps [people, 3, 4].
        velocity: The velocities [people, 3, z, y, x], mm.
        registered: Which people's maps are final, 0 or 1.
    """

    logarithm: Tensor
    velocity: Tensor
    registered: Tensor

    def __init__(self, people: int, lattice: NodeLattice) -> None:
        super().__init__()
        self.lattice = lattice
        self.register_buffer("logarithm", torch.zeros(people, 3, 4))
        self.register_buffer("velocity", torch.zeros(people, 3, *lattice.shape))
        self.register_buffer("registered", torch.zeros(people))
