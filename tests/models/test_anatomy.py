"""Maps between anatomies: their inverses, and how arrays are read on lattices."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.anatomy import (
    NodeLattice,
    apply_affine,
    map_to_common,
    map_to_person,
    sample_field,
    sample_volume,
)

LATTICE = NodeLattice((9, 11, 9), 10.0)


def smooth_velocity(seed: int, size_mm: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, 4, 4, 4, generator=generator)
    field = torch.nn.functional.interpolate(coarse, LATTICE.shape, mode="trilinear")[0]
    return field / field.abs().max() * size_mm


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), size_mm=st.floats(0, 8))
def test_the_way_to_a_person_and_back_ends_where_it_began(seed: int, size_mm: float) -> None:
    velocity = smooth_velocity(seed, size_mm)
    generator = torch.Generator().manual_seed(seed)
    logarithm = 0.1 * torch.randn(3, 4, generator=generator)
    points = LATTICE.points(8.0) * 0.5  # the border is not invertible
    there = map_to_person(points, logarithm, velocity, LATTICE)
    back = map_to_common(there, logarithm, velocity, LATTICE)
    assert (back - points).abs().max() < 0.1 + 0.12 * size_mm  # linear between nodes


def test_an_affine_map_of_a_logarithm_scales_and_moves() -> None:
    logarithm = torch.zeros(3, 4)
    logarithm[0, 0] = torch.log(torch.tensor(2.0))
    logarithm[1, 3] = 0.1  # of 50 mm
    moved = apply_affine(logarithm, torch.tensor([3.0, 1.0, -2.0]))
    assert torch.allclose(moved, torch.tensor([6.0, 6.0, -2.0]), atol=1e-4)


def test_fields_and_volumes_are_read_at_their_nodes() -> None:
    field = LATTICE.points().movedim(-1, 0)  # the place itself
    points = torch.tensor([[3.0, -7.5, 11.0], [0.0, 0.0, 0.0]])
    assert torch.allclose(sample_field(field, points, LATTICE), points, atol=1e-4)
    volume = torch.arange(60.0).reshape(1, 3, 4, 5)
    assert sample_volume(volume, torch.tensor([1.0, 2.0, 3.0])).item() == volume[0, 1, 2, 3]
