"""Gamma, contrast and histogram."""

import numpy as np
import pytest
from support.volumes import ball

from factory.acquisition.tone import adjust_tone, reference_quantiles


def noisy_ball() -> tuple[np.ndarray, np.ndarray]:
    image, label, _ = ball()
    noise = np.random.Generator(np.random.Philox(2)).random(image.shape, np.float32)
    return np.where(label > 0, image + 0.2 * noise, 0).astype(np.float32), label > 0


def test_a_histogram_becomes_the_references() -> None:
    image, brain = noisy_ball()
    rng = np.random.Generator(np.random.Philox(3))
    reference = rng.gamma(4, 0.1, image.shape)
    target = reference_quantiles(reference, brain)
    matched = adjust_tone(image, brain, {"histogram": {"values": target}})
    assert len(target) == 256
    assert target == sorted(target)
    np.testing.assert_allclose(reference_quantiles(matched, brain)[6:], target[6:], atol=0.01)
    order = image[brain].argsort()
    assert (np.diff(matched[brain][order]) >= 0).all()


def test_matching_a_noisy_image_leaves_the_air_dark() -> None:
    image, label, _ = ball()
    rng = np.random.Generator(np.random.Philox(4))
    noisy = np.abs(image + 0.1 * rng.standard_normal(image.shape)).astype(np.float32)
    target = reference_quantiles(0.3 + image, label)
    matched = adjust_tone(noisy, label > 0, {"histogram": {"values": target}})
    dark = np.quantile(noisy[label > 0], 5 / 255)
    air = (label == 0) & (noisy < dark)
    np.testing.assert_allclose(matched[air], noisy[air] * target[5] / dark, rtol=1e-4)


def test_matched_to_itself_an_image_stays() -> None:
    image, brain = noisy_ball()
    values = reference_quantiles(image, brain)
    matched = adjust_tone(image, brain, {"histogram": {"values": values}})
    np.testing.assert_allclose(matched, image, atol=1e-5)


@pytest.mark.parametrize("contrast", [0.5, 0.8, 1.5, 2.0])
def test_contrast_scales_differences_from_the_brains_mean(contrast: float) -> None:
    image, brain = noisy_ball()
    out = adjust_tone(image, brain, {"contrast": contrast})
    mean = image[brain].mean()
    near = brain & (np.abs(image - mean) < 0.3 * mean)
    np.testing.assert_allclose(out[near] - mean, contrast * (image[near] - mean), atol=1e-5)


def test_gamma_is_a_power_of_the_share_of_the_brightest() -> None:
    image, brain = noisy_ball()
    bright = np.percentile(image[brain], 99.5)
    out = adjust_tone(image, brain, {"gamma": 2})
    np.testing.assert_allclose(out, image**2 / bright, rtol=1e-5)


@pytest.mark.parametrize(
    "parameters",
    [
        {"gamma": 0.5},
        {"gamma": 2},
        {"contrast": 0.5},
        {"contrast": 2},
        {"histogram": {"values": list(np.linspace(0.3, 1, 256))}},
    ],
)
def test_black_stays_black_and_the_order_of_values_remains(parameters: dict) -> None:
    image, brain = noisy_ball()
    out = adjust_tone(image, brain, parameters)
    assert out.dtype == np.float32
    assert (out[~brain] == 0).all()
    assert (np.diff(out.ravel()[image.ravel().argsort()]) >= -1e-6).all()


def test_neutral_values_return_the_image_itself() -> None:
    image, brain = noisy_ball()
    assert adjust_tone(image, brain, {"gamma": 1, "contrast": 1}) is image
