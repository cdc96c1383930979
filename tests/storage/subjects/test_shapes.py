"""Made-up anatomies of ellipsoids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.storage.subjects.shapes import draw_shapes, largest_extent_mm

SHAPES = {
    "body": {"size_mm": [60, 50, 70], "centre_mm": [0, 0, 0], "inside": None},
    "liver": {"size_mm": [24, 20, 24], "centre_mm": [4, 8, 14], "inside": "body"},
}


def test_without_variation_a_shape_is_its_ellipsoid():
    subject = draw_shapes(SHAPES, 0.0, 5, 1.0, "a")
    volume = np.pi / 6 * 24 * 20 * 24
    assert (subject.label == 2).sum() == pytest.approx(volume, rel=0.02)
    centre = np.argwhere(subject.label == 2).mean(0) - (np.array(subject.label.shape) - 1) / 2
    np.testing.assert_allclose(centre, [4, 8, 14], atol=0.5)
    assert subject.table.names == ("background", "body", "liver")


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), variation=st.sampled_from([0.5, 1.0, 2.0]))
def test_individuals_differ_stay_in_their_box_and_come_again(seed, variation):
    subject = draw_shapes(SHAPES, variation, seed, 2.0, "a")
    again = draw_shapes(SHAPES, variation, seed, 2.0, "a")
    other = draw_shapes(SHAPES, variation, seed + 1, 2.0, "a")
    np.testing.assert_array_equal(subject.label, again.label)
    assert (subject.label != other.label).any()
    for axis in range(3):
        faces = np.moveaxis(subject.label, axis, 0)
        assert not faces[0].any()
        assert not faces[-1].any()
    extent = largest_extent_mm(SHAPES, variation)
    assert all(n * 2 >= mm for n, mm in zip(subject.label.shape, extent, strict=True))


def test_one_more_shape_changes_no_other():
    first = draw_shapes(SHAPES, 1.0, 3, 2.0, "a").label
    more = SHAPES | {"stone": {"size_mm": [6, 6, 6], "centre_mm": [0, -10, -10], "inside": None}}
    second = draw_shapes(more, 1.0, 3, 2.0, "a").label
    np.testing.assert_array_equal(first, np.where(second == 3, first, second))


def test_a_shape_inside_another_does_not_reach_out_of_it():
    outside = SHAPES["liver"] | {"centre_mm": [0, 0, 34]}
    cut = draw_shapes(SHAPES | {"liver": outside}, 1.0, 3, 1.0, "a").label == 2
    free = draw_shapes(SHAPES | {"liver": outside | {"inside": None}}, 1.0, 3, 1.0, "a").label
    assert 0 < cut.sum() < (free == 2).sum()
    body = draw_shapes({"body": SHAPES["body"]}, 1.0, 3, 1.0, "a").label > 0
    assert cut.sum() <= body.sum()
