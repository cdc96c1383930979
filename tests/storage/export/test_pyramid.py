"""The levels of an image pyramid are at the right positions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.storage.export.pyramid import SMALLEST, build_pyramid, coarsen
from factory.storage.subjects.types import Grid

SPACINGS = st.tuples(*[st.sampled_from([0.5, 0.8, 1.0, 2.0, 5.0])] * 3)
SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 70), st.integers(65, 140))


def places(shape, spacing, origin) -> np.ndarray:
    """World mm (z, y, x) of every voxel, last."""
    return np.moveaxis(np.indices(shape), 0, -1) * spacing + np.asarray(origin)


@settings(deadline=None, max_examples=40)
@given(SHAPES, SPACINGS)
def test_each_level_of_a_linear_field_is_the_field_at_its_voxels(shape, spacing) -> None:
    grid = Grid.centred(shape, spacing)
    slope = np.array([0.3, -0.2, 0.7])
    origin = grid.affine[:3, 3][::-1]
    field = (places(shape, spacing, origin) @ slope).astype(np.float32)
    levels = build_pyramid(field[None], grid.affine, spacing)
    np.testing.assert_array_equal(levels[0].values[0], field)
    assert len(levels) > 1
    longest = [max(level.values.shape) for level in levels]
    assert longest[-1] <= SMALLEST < longest[-2]
    for level in levels[1:]:
        expected = places(level.values.shape[1:], level.spacing_mm, level.origin_mm) @ slope
        extent_mm = (
            np.asarray(shape) * spacing / level.spacing_mm
        )  # blocks at the end may be repeated
        inside = tuple(slice(int(n)) for n in extent_mm)
        np.testing.assert_allclose(level.values[0][inside], expected[inside], atol=2e-3)


def test_a_coarse_axis_is_halved_once_the_others_are_as_coarse() -> None:
    values = np.zeros((12, 256, 256), np.float32)
    shapes = [
        level.values.shape for level in build_pyramid(values, np.diag([1, 1, 3, 1]), (3, 1, 1))
    ]
    assert shapes == [(12, 256, 256), (12, 128, 128), (6, 64, 64)]


def test_a_block_of_labels_becomes_the_most_frequent_one() -> None:
    label = np.full((2, 4, 4), 6, np.uint8)
    label[:, :2, :2] = 3
    label[0, 0, 0] = 7  # one of eight
    label[:, 2:, 2:].flat[:5] = 2  # five of eight
    np.testing.assert_array_equal(coarsen(label, (2, 2, 2)), [[[3, 6], [6, 2]]])


def test_origins_of_a_rotated_grid_are_along_its_own_axes() -> None:
    affine = np.array([[0, 0, 2.0, 10], [1, 0, 0, 20], [0, 1, 0, 30], [0, 0, 0, 1]])
    level = build_pyramid(np.zeros((2, 2, 2), np.float32), affine, (2, 1, 1))[0]
    # slices run along the world's x, rows along z, columns along y
    assert level.origin_mm == (10, 30, 20)
    assert level.spacing_mm == (2, 1, 1)
