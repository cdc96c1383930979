"""Overlap, volume error and surface distances of shapes whose values are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from factory.metrics.overlap import (
    dice,
    hausdorff_95_mm,
    mean_surface_mm,
    surface_distances,
    volume_error,
)

SPACING = (2.0, 1.0, 0.5)
masks = arrays(bool, (5, 6, 7))


def box(z: slice, y: slice = slice(4, 12), x: slice = slice(4, 12)) -> np.ndarray:
    mask = np.zeros((16, 16, 16), bool)
    mask[z, y, x] = True
    return mask


def test_a_box_and_a_box_two_slices_longer() -> None:
    short, long = box(slice(4, 10)), box(slice(4, 12))
    assert dice(short, long) == pytest.approx(12 / 14)
    assert volume_error(long, short) == pytest.approx(1 / 3)
    assert volume_error(short, long) == pytest.approx(1 / 4)
    of_short, of_long = surface_distances(short, long, SPACING)
    # the far face of each, two slices of 2 mm away, if no side is nearer: sides are 1 and 0.5 mm
    assert of_long.max() == pytest.approx(4.0)
    assert of_short.max() == pytest.approx(min(3 * 1.0, 3 * 0.5, 4.0))


def test_the_distance_of_parallel_planes_is_in_mm() -> None:
    full = slice(0, 16)
    a, b = box(slice(3, 4), full, full), box(slice(8, 9), full, full)
    assert mean_surface_mm(a, b, SPACING) == pytest.approx(10.0)
    assert hausdorff_95_mm(a, b, SPACING) == pytest.approx(10.0)


def test_one_stray_voxel_does_not_change_the_hausdorff_95() -> None:
    a = box(slice(2, 12))
    b = a.copy()
    b[15, 15, 15] = True
    assert hausdorff_95_mm(a, b, SPACING) == 0
    assert surface_distances(a, b, SPACING)[1].max() > 6


def test_measures_of_missing_structures_are_nan() -> None:
    some, none = box(slice(4, 8)), np.zeros((16, 16, 16), bool)
    assert np.isnan(dice(none, none))
    assert dice(some, none) == 0
    assert np.isnan(volume_error(some, none))
    assert volume_error(none, some) == 1
    for measure in (mean_surface_mm, hausdorff_95_mm):
        assert np.isnan(measure(some, none, SPACING))


@settings(max_examples=20, deadline=None)
@given(masks, masks)
def test_distances_are_symmetric_and_0_for_equal_masks(a: np.ndarray, b: np.ndarray) -> None:
    for measure in (mean_surface_mm, hausdorff_95_mm):
        np.testing.assert_allclose(measure(a, b, SPACING), measure(b, a, SPACING), rtol=1e-6)
        assert not a.any() or measure(a, a, SPACING) == 0
