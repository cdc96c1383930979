"""Paired scores on volumes whose scores are known."""

import math

import numpy as np
import pytest

from factory.errors import FactoryError
from factory.imaging.orientations import AXES
from factory.metrics.paired import (
    SCORES,
    class_means,
    flicker,
    mutual_information,
    paired_scores,
    slice_scores,
)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.Philox(key=1))
    label = np.zeros((24, 24, 24), np.uint8)
    label[4:20, 4:20, 4:20] = 1
    label[8:16, 8:16, 8:16] = 2
    image = np.choose(label, [0, 500, 900]) + (label > 0) * rng.normal(0, 30, label.shape)
    return image.astype(np.float32), label


def test_an_image_in_other_units_has_perfect_scores(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, label = pair
    scores = paired_scores(image * 7, image, label)
    assert scores["ssim"] == pytest.approx(1)
    assert scores["corr"] == pytest.approx(1)
    assert scores["score"] == pytest.approx(1)
    assert scores["mse"] == pytest.approx(0, abs=1e-12)


def test_noise_lowers_every_score_and_the_background_raises_ssim(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    image, label = pair
    rng = np.random.Generator(np.random.Philox(key=2))
    worse, worst = (
        paired_scores(image + (label > 0) * rng.normal(0, sd, image.shape), image, label)
        for sd in (50, 200)
    )
    for name in ("ssim", "corr", "score", "whole_ssim"):
        assert 1 > worse[name] > worst[name]
    assert worse["mse"] < worst["mse"]
    assert worst["whole_ssim"] > worst["ssim"]
    assert worst["score"] == pytest.approx((2 * worst["ssim"] + worst["corr"]) / 3)


def test_class_means_are_means_over_all_subjects(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, label = pair
    means = class_means([image, image * 3], [label, label], 4)
    scale = np.percentile(image[label > 0], 99.5)
    np.testing.assert_allclose(means[1], image[label == 1].mean() / scale, rtol=1e-5)
    assert np.isnan(means[3])


def test_flicker_is_measured_along_the_stacking_axis(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    _, label = pair
    smooth = np.choose(label, [0, 500, 900]).astype(np.float32)
    striped = smooth * (1 + 0.1 * (np.arange(24) % 2))[:, None, None]
    assert flicker(striped, label, 0) > flicker(smooth, label, 0) + 0.05
    assert flicker(striped, label, 2) == pytest.approx(flicker(smooth, label, 2), abs=0.02)


def test_mutual_information_with_itself_is_the_entropy_and_of_independent_values_small() -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    four = rng.choice([0.1, 0.3, 0.6, 0.9], 40_000)
    assert mutual_information(four, four) == pytest.approx(np.log(4), abs=1e-3)
    assert mutual_information(four, 1 - four) == pytest.approx(np.log(4), abs=1e-3)
    bias = 3 * 3 / (2 * len(four))
    assert mutual_information(four, rng.permutation(four)) == pytest.approx(bias, abs=3 * bias)


def test_changes_between_axial_slices_lower_the_scores_of_other_orientations(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    """A gain that differs from one axial slice to the next leaves axial correlations alone."""
    image, label = pair
    gains = (1 + 0.3 * (np.arange(24) % 2))[:, None, None]
    scores = {o: slice_scores(image * gains, image, label, o) for o in AXES}
    assert scores["axial"]["corr"] == pytest.approx(1, abs=0.01)
    assert scores["sagittal"]["corr"] < 0.97
    assert set(scores["axial"]) == set(SCORES)


def test_undefined_scores_of_a_constant_image_and_a_thin_stack_are_nan(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    image, label = pair
    flat = paired_scores((label > 0) * 5.0, image, label)
    assert math.isnan(flat["corr"])
    assert math.isnan(flat["score"])
    assert flat["mse"] > 0
    dark = paired_scores(image * 0, image, label)
    assert dark["mse"] > flat["mse"]
    thin = paired_scores(image[8:14], image[8:14], label[8:14])
    assert math.isnan(thin["ssim"])
    assert thin["corr"] == pytest.approx(1)
    assert slice_scores(image[8:14], image[8:14], label[8:14], "axial")["ssim"] == pytest.approx(1)
    assert math.isnan(slice_scores(image, image, label * 0, "axial")["corr"])


def test_other_grids_are_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, label = pair
    with pytest.raises(FactoryError, match=r"grids differ: synthetic \(23, 24, 24\)"):
        paired_scores(image[1:], image, label)
