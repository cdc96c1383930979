"""Slicing, cutting and pasting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.imaging.orientations import AXES, cut, grow_side, paste, to_stack, to_volume


@pytest.mark.parametrize("orientation", AXES)
def test_to_volume_undoes_to_stack(orientation: str) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    stack = to_stack(array, orientation)
    assert len(stack) == array.shape[AXES[orientation]]
    np.testing.assert_array_equal(to_volume(stack, orientation), array)


def test_slices_are_perpendicular_to_the_axis_of_their_orientation() -> None:
    z, y, x = np.meshgrid(range(2), range(3), range(4), indexing="ij")
    for array, orientation in ((x, "sagittal"), (y, "coronal"), (z, "axial")):
        assert all(plane.min() == plane.max() for plane in to_stack(array, orientation))


@given(
    low=st.integers(0, 40),
    length=st.integers(1, 90),
    margin=st.integers(0, 5),
    multiple=st.sampled_from([1, 16, 32]),
)
def test_a_grown_side_contains_the_side_and_its_margin(
    low: int, length: int, margin: int, multiple: int
) -> None:
    side = grow_side(slice(low, low + length), margin, multiple)
    assert side.start <= low - margin
    assert side.stop >= low + length + margin
    assert (side.stop - side.start) % multiple == 0
    assert side.stop - side.start < length + 2 * margin + multiple


@given(st.data())
def test_pasting_undoes_cutting(data: st.DataObject) -> None:
    array = np.arange(35.0).reshape(5, 7)
    box = tuple(
        slice(start, start + data.draw(st.integers(1, 2 * n)))
        for n in array.shape
        for start in [data.draw(st.integers(-n, n - 1))]
    )
    # Boxes outside the array do not occur.
    if any(s.stop <= 0 for s in box):
        return
    piece = cut(array, box, fill=-1)
    assert piece.shape == tuple(s.stop - s.start for s in box)
    again = np.zeros_like(array)
    paste(again, box, piece)
    inside = tuple(slice(max(s.start, 0), s.stop) for s in box)
    np.testing.assert_array_equal(again[inside], array[inside])
    assert (piece == -1).sum() == piece.size - array[inside].size
