"""Alignment undoes rotations and shifts, and does not make other images alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from support.datasets import person

from factory.metrics.alignment import align, correlation_distance


def moved(image: np.ndarray, shift: tuple[float, ...], degrees: float) -> np.ndarray:
    turned = ndimage.rotate(image, degrees, axes=(-2, -1), reshape=False, order=1)
    return np.clip(ndimage.shift(turned, shift, order=1), 0, None)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.floats(-5, 5), st.floats(-5, 5), st.floats(-15, 15))
def test_a_moved_slice_is_nearer_to_itself_than_another_slice(
    seed: int, down: float, right: float, degrees: float
) -> None:
    image, other = person(seed, (1, 48, 48))[0], person(seed + 1000, (1, 48, 48))[0]
    _, to_itself = align(moved(image, (down, right), degrees), image)
    _, to_other = align(other, image)
    assert to_itself < to_other / 4


def test_a_moved_volume_is_aligned() -> None:
    image = person(3, (20, 24, 22))
    before = correlation_distance(moved(image, (2, -2, 1), 8), image)
    assert align(moved(image, (2, -2, 1), 8), image)[1] < min(0.1, before / 3)


def test_the_distance_ignores_brightness_and_alignment_never_increases_it() -> None:
    a, b = person(1)[0], person(2)[0]
    assert correlation_distance(a, a * 0.6) == pytest.approx(0, abs=1e-5)
    assert align(a, b)[1] <= correlation_distance(a, b)
    assert align(a, b)[1] == align(a, b)[1]


def test_constant_images_have_distance_1() -> None:
    flat, a = np.full((32, 32), 0.5, np.float32), person(1)[0]
    for pair in ((flat, a), (a, flat), (flat * 0, flat * 0)):
        assert align(*pair)[1] == 1
