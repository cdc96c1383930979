"""Turned and shifted images are found again; others are not made alike."""

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
def test_a_slice_is_found_again_wherever_it_lies(
    seed: int, down: float, right: float, degrees: float
) -> None:
    image, other = person(seed, (1, 48, 48))[0], person(seed + 1000, (1, 48, 48))[0]
    _, far = align(moved(image, (down, right), degrees), image)
    _, apart = align(other, image)
    assert far < apart / 4


def test_a_volume_is_found_again() -> None:
    image = person(3, (20, 24, 22))
    before = correlation_distance(moved(image, (2, -2, 1), 8), image)
    assert align(moved(image, (2, -2, 1), 8), image)[1] < min(0.1, before / 3)


def test_the_distance_knows_no_brightness_and_aligning_never_makes_it_worse() -> None:
    a, b = person(1)[0], person(2)[0]
    assert correlation_distance(a, a * 0.6) == pytest.approx(0, abs=1e-5)
    assert align(a, b)[1] <= correlation_distance(a, b)
    assert align(a, b)[1] == align(a, b)[1]


def test_what_does_not_vary_has_nothing_in_common() -> None:
    flat, a = np.full((32, 32), 0.5, np.float32), person(1)[0]
    for pair in ((flat, a), (a, flat), (flat * 0, flat * 0)):
        assert align(*pair)[1] == 1
