import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.anatomy.deformation.surfaces import Surfaces
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA

LABEL = phantom(24, 2, 2.0).label
TISSUES = list(range(1, len(FETA.names)))
VOXELS = np.stack(np.indices(LABEL.shape)).astype(np.float32)


def ball(radius: float, at: tuple[float, float, float]) -> np.ndarray:
    z, y, x = np.indices((25, 25, 25))
    distance2 = (z - at[0]) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2
    return np.where(distance2 < radius**2, 2, 1).astype(np.uint8)


def test_what_does_not_move_does_not_change() -> None:
    surfaces = Surfaces(LABEL, TISSUES)
    volumes = dict(enumerate(np.bincount(LABEL.ravel())))
    for requested in ({}, volumes):
        np.testing.assert_array_equal(surfaces.pull(VOXELS, LABEL > 0, requested), LABEL)


@settings(max_examples=8, deadline=None)
@given(shift=st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3), radius=st.floats(6, 9))
def test_a_shift_below_a_voxel_moves_the_tissue_by_about_that_shift(
    shift: list[float], radius: float
) -> None:
    label = ball(radius, (12.2, 11.9, 12.3))
    places = np.stack(np.indices(label.shape)).astype(np.float32)
    places -= np.array(shift, np.float32)[:, None, None, None]
    volume = int((label == 2).sum())
    moved = Surfaces(label, [1, 2]).pull(places, np.ones(label.shape, bool), {2: volume})
    middle = np.argwhere(moved == 2).mean(0) - np.argwhere(label == 2).mean(0)
    np.testing.assert_allclose(middle, shift, atol=0.2)
    assert (moved == 2).sum() == pytest.approx(volume, rel=0.02)


@pytest.mark.parametrize("more", [-0.05, 0.05])
def test_a_tissue_gets_the_requested_volume(more: float) -> None:
    value = FETA.index("grey_matter")
    before = np.bincount(LABEL.ravel())[value]
    label = Surfaces(LABEL, TISSUES).pull(VOXELS + 0.3, LABEL > 0, {value: (1 + more) * before})
    assert (label == value).sum() == pytest.approx((1 + more) * before, rel=0.015)
    np.testing.assert_array_equal(label == 0, LABEL == 0)


@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 0, 2)])
def test_the_order_of_the_axes_does_not_matter(axes: tuple[int, int, int]) -> None:
    places = VOXELS + np.array([0.4, -0.2, 0.3], np.float32)[:, None, None, None]
    plain = Surfaces(LABEL, TISSUES).pull(places, LABEL > 0, {})
    turned = LABEL.transpose(axes)
    moved = places[list(axes)].transpose(0, *(a + 1 for a in axes))
    again = Surfaces(turned, TISSUES).pull(moved, turned > 0, {})
    # Shares that are equal to the last bit may fall either way.
    assert (again != plain.transpose(axes)).mean() < 1e-3
