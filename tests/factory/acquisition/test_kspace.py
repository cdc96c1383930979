"""Omitted lines, decay of the echo train and complex noise, compared with theory."""

import numpy as np
import pytest
from scipy import special

from factory.acquisition import kspace

SIGMA = 0.1


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(1))


def decay_of_a_point(distance: np.ndarray, decay: float) -> np.ndarray:
    """The Fourier transform of exp(-decay |k| / K), |k| ≤ K = 1/2 a voxel, at voxels from it."""
    a, turn = 2 * decay, 2 * np.pi * distance
    edge = np.exp(-decay) * (turn * np.sin(turn / 2) - a * np.cos(turn / 2))
    return 2 * (a + edge) / (a**2 + turn**2)


@pytest.mark.parametrize(("phase_share", "readout_share"), [(1, 1), (0.7, 1), (0.6, 0.8)])
def test_noise_in_air_is_rayleigh(phase_share: float, readout_share: float) -> None:
    air = np.zeros((8, 96, 96), np.float32)
    noisy = kspace.add_rician_noise(air, SIGMA, phase_share, readout_share, rng())
    assert noisy.mean() == pytest.approx(SIGMA * np.sqrt(np.pi / 2), rel=0.02)
    assert noisy.std() == pytest.approx(SIGMA * np.sqrt(2 - np.pi / 2), rel=0.02)


@pytest.mark.parametrize("signal", [0.1, 0.3, 2.0])
def test_noise_on_a_signal_is_rician(signal: float) -> None:
    noisy = kspace.add_rician_noise(np.full((8, 96, 96), signal, np.float32), SIGMA, 1, 1, rng())
    half = -((signal / SIGMA) ** 2) / 2
    laguerre = (1 - half) * special.ive(0, -half / 2) - half * special.ive(1, -half / 2)
    mean = SIGMA * np.sqrt(np.pi / 2) * laguerre
    assert noisy.mean() == pytest.approx(mean, rel=0.005)
    spread = np.sqrt(2 * SIGMA**2 + signal**2 - mean**2)
    assert noisy.std() == pytest.approx(spread, rel=0.02)


def test_noise_has_only_the_acquired_lines() -> None:
    bright = np.full((4, 64, 64), 100, np.float32)
    spectrum = np.abs(
        np.fft.fft(kspace.add_rician_noise(bright, SIGMA, 0.5, 1, rng()) - 100, axis=1)
    )
    outside = np.abs(np.fft.fftfreq(64)) > 0.27
    assert spectrum[:, outside].mean() < 0.01 * spectrum[:, ~outside].mean()


@pytest.mark.parametrize("axis", [1, 2])
def test_a_step_overshoots_by_nine_percent_at_truncation(axis: int) -> None:
    """Gibbs: the integral of sin(t)/t to π is 1.8519, so 8.95 % of the step."""
    step = np.zeros((1, 400, 400), np.float32)
    np.moveaxis(step, axis, 0)[100:300] = 1
    # So few that a lobe spans ten voxels: the lattice stands for the continuum.
    shares = {1: (0.1, 1.0), 2: (1.0, 0.1)}[axis]
    ringing = kspace.encode_in_kspace(step, *shares, 0)
    assert ringing.max() - 1 == pytest.approx(special.sici(np.pi)[0] / np.pi - 0.5, abs=0.002)
    assert np.ptp(ringing, axis=3 - axis).max() < 1e-5


@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0])
def test_an_echo_train_blurs_a_point_along_phase_encoding_alone(decay: float) -> None:
    point = np.zeros((1, 257, 33), np.float32)
    point[0, 128, 16] = 1
    blurred = kspace.encode_in_kspace(point, 1, 1, decay)
    assert np.abs(np.delete(blurred, 16, axis=2)).max() < 1e-6
    expected = decay_of_a_point(np.arange(-8, 9), decay)
    np.testing.assert_allclose(blurred[0, 120:137, 16], expected, atol=0.003)
    assert blurred.sum() == pytest.approx(1, abs=1e-4)


def test_a_long_train_blurs_to_a_lorentzian_of_the_stated_width() -> None:
    """Full width at half maximum 2/π · echo train / T2 voxels, where the edge's share is small."""
    decay = 8.0
    point = np.zeros((1, 513, 1), np.float32)
    point[0, 256] = 1
    blurred = kspace.encode_in_kspace(point, 1, 1, decay)[0, :, 0]
    fine = np.linspace(-10, 10, 2001)
    profile = np.interp(fine, np.arange(-256, 257), blurred)
    width = np.ptp(fine[profile >= profile.max() / 2])
    assert width == pytest.approx(2 / np.pi * decay, rel=0.03)


def test_all_lines_without_decay_is_the_image_itself() -> None:
    image = rng().random((3, 21, 16), np.float32)
    assert kspace.encode_in_kspace(image, 1, 1, 0) is image
