"""The unit of intensity, and the range of the networks."""

import numpy as np
import pytest

from factory.imaging.intensities import RANGE, from_network, intensity_unit, normalise, to_network


def test_the_unit_is_the_percentile_inside_the_tissue() -> None:
    image = np.arange(1001, dtype=np.float32).reshape(7, 11, 13)
    label = (image >= 1).astype(np.uint8)
    assert intensity_unit(image, label > 0) == pytest.approx(995.005)
    normalised = normalise(image, label)
    assert normalised.dtype == np.float32
    assert intensity_unit(normalised, label > 0) == pytest.approx(1)
    np.testing.assert_array_equal(normalise(image * 2, label), normalised)


def test_intensities_come_back_from_the_network_clipped_to_its_range() -> None:
    image = np.array([-0.5, 0, 0.3, 1, 1.2, 3], np.float32)
    scaled = to_network(image)
    assert scaled.min() == -1
    assert scaled.max() == 1
    np.testing.assert_allclose(from_network(scaled), np.clip(image, *RANGE), atol=1e-6)
