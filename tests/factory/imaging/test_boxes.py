"""Bounding boxes: their sides, margins and rims."""

import numpy as np
import pytest

from factory.imaging.boxes import bounding_box, box_with_margin, crop_with_rim


@pytest.fixture
def label() -> np.ndarray:
    label = np.zeros((6, 7, 8), np.uint8)
    label[2:4, 3, 5:8] = 1
    return label


def test_the_box_is_the_smallest_one(label: np.ndarray) -> None:
    assert bounding_box(label) == (slice(2, 4), slice(3, 4), slice(5, 8))


def test_a_margin_ends_at_the_array(label: np.ndarray) -> None:
    assert box_with_margin(label > 0, (3, 1, 1)) == (slice(0, 7), slice(2, 5), slice(4, 9))
    assert label[box_with_margin(label > 0, (3, 1, 1))].shape == (6, 3, 4)


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="empty"):
        box_with_margin(np.zeros((2, 2, 2), bool), (1, 1, 1))


def test_a_cropped_label_map_has_a_rim_of_background(label: np.ndarray) -> None:
    cropped = crop_with_rim(label)
    assert cropped.shape == (4, 3, 5)
    assert cropped.sum() == label.sum()
    assert not cropped[[0, -1]].any()
    assert crop_with_rim(label * 0).shape == (2, 2, 2)
