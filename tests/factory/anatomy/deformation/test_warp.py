import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.linalg import expm

from factory.anatomy.deformation import warp

SHAPE, SPACING, LATTICE = (40, 44, 36), (1.0, 0.8, 1.2), 3.5
NODES = warp.lattice_shape(SHAPE, SPACING, LATTICE)


def velocity(seed: int, fastest_mm: float) -> np.ndarray:
    """A random smooth velocity that comes to rest at the lattice's border."""
    rng = np.random.Generator(np.random.Philox(seed))
    field = ndimage.gaussian_filter(rng.standard_normal((3, *NODES)), (0, 2, 2, 2), mode="constant")
    rest = np.zeros(NODES)
    rest[2:-2, 2:-2, 2:-2] = 1
    field *= ndimage.gaussian_filter(rest, 1, mode="constant")
    return (field * fastest_mm / np.sqrt((field**2).sum(0)).max()).astype(np.float32)


def affine_velocity(matrix: np.ndarray) -> np.ndarray:
    where = warp.nodes_mm(NODES, LATTICE)
    middle = where.mean((1, 2, 3), keepdims=True)
    return np.einsum("ij,jzyx->izyx", matrix, where - middle).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 5))
def test_the_negated_velocity_is_the_inverse(seed: int, fastest: float) -> None:
    v = velocity(seed, fastest)
    forward, backward = warp.exponential(v, LATTICE), warp.exponential(-v, LATTICE)
    assert np.abs(warp.compose(forward, backward, LATTICE)).max() < min(SPACING) / 2
    moved = np.sqrt((forward**2).sum(0)).max()
    # The splines between nodes may overshoot the fastest node a little.
    assert moved <= 1.1 * fastest + 1e-6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 4))
def test_smooth_warps_do_not_fold_and_keep_the_total_volume(seed: int, fastest: float) -> None:
    u = warp.exponential(velocity(seed, fastest), LATTICE)
    determinant = warp.jacobian_determinant(u, SHAPE, SPACING, LATTICE)
    assert determinant.shape == SHAPE
    assert determinant.min() > 0
    # Nothing moves at the border, so what one place gains another loses.
    assert determinant.mean() == pytest.approx(1, abs=0.02)


def test_an_affine_velocity_makes_the_affine_map() -> None:
    a = np.array([[0.0, 0.15, 0], [-0.15, 0, 0.05], [0, -0.05, 0.1]])
    u = warp.exponential(affine_velocity(a), LATTICE)
    exact = affine_velocity(expm(a) - np.eye(3))
    inner = (slice(None), *[slice(3, -3)] * 3)
    assert np.abs(u - exact)[inner].max() < 0.1
    determinant = warp.jacobian_determinant(u, SHAPE, SPACING, LATTICE)
    assert np.median(determinant) == pytest.approx(np.linalg.det(expm(a)), rel=0.01)


def test_the_jacobian_is_the_derivative_of_the_voxels_places() -> None:
    u = warp.exponential(velocity(5, 4), LATTICE)
    places = warp.source_voxels(u, SHAPE, SPACING, LATTICE)
    mm = places * np.array(SPACING, np.float32)[:, None, None, None]
    rows = np.stack([np.stack(np.gradient(c, *SPACING)) for c in mm])
    inner = (slice(1, -1),) * 3
    numeric = np.linalg.det(np.moveaxis(rows, (0, 1), (-2, -1)))[inner]
    determinant = warp.jacobian_determinant(u, SHAPE, SPACING, LATTICE)[inner]
    assert np.abs(numeric - determinant).max() < 0.05


def test_a_zero_velocity_moves_nothing() -> None:
    label = np.random.Generator(np.random.Philox(1)).integers(0, 8, SHAPE).astype(np.uint8)
    u = warp.exponential(np.zeros((3, *NODES), np.float32), LATTICE)
    places = warp.source_voxels(u, SHAPE, SPACING, LATTICE)
    np.testing.assert_array_equal(warp.pull_label(label, places), label)
    np.testing.assert_allclose(warp.pull_image(label, places), label, atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_are_pulled_by_millimetres(axis: int) -> None:
    """u = +3 voxels: tissue comes from three voxels further on; the border is extended."""
    label = np.random.Generator(np.random.Philox(2)).integers(0, 8, SHAPE).astype(np.uint8)
    u = np.zeros((3, *NODES), np.float32)
    u[axis] = 3 * SPACING[axis]
    places = warp.source_voxels(u, SHAPE, SPACING, LATTICE)
    expected = np.take(label, np.clip(np.arange(SHAPE[axis]) + 3, 0, SHAPE[axis] - 1), axis)
    np.testing.assert_array_equal(warp.pull_label(label, places), expected)
    np.testing.assert_allclose(warp.pull_image(label, places), expected, atol=1e-3)
