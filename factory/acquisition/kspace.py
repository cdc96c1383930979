"""The effects of sampling k-space: omitted lines, the decay of the echo train, complex noise.

Images are [slice, row, column]. Phase encoding runs along axis 1 (from row to row), the readout
along axis 2.
"""

import numpy as np
from scipy import fft


def encode_in_kspace(
    image: np.ndarray, phase_share: float, readout_share: float, decay: float
) -> np.ndarray:
    """Reconstruct the slices, float32, from the central lines of k-space; the others are zero.

    The echo train of a half-Fourier single shot starts at the centre of k-space, and the other
    half is the conjugate. So lines are weighted by exp(-decay |k| / k_max), where k_max is the
    outermost acquired line. A point becomes a Lorentzian whose full width at half maximum is
    2/π · decay / phase_share voxels. Brightness does not change, since the weight is 1 at the
    centre.

    Args:
        image: float32 [slice, row, column].
        phase_share: Share of the lines that are acquired along phase encoding.
        readout_share: Share of the points that are acquired along the readout.
        decay: Length of the echo train / T2.
    """
    if decay or phase_share < 1:
        frequency = fft.rfftfreq(image.shape[1])
        weight = np.exp(-2 * decay / phase_share * frequency) * _acquired_lines(
            image.shape[1], phase_share
        )
        image = _filter_lines(image, weight, 1)
    if readout_share < 1:
        image = _filter_lines(image, _acquired_lines(image.shape[2], readout_share), 2)
    return image


def add_rician_noise(
    image: np.ndarray,
    sigma: float,
    phase_share: float,
    readout_share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add complex Gaussian noise and return the magnitude, float32: Rician noise.

    The noise has only the acquired lines of k-space; see `encode_in_kspace`.

    Args:
        image: float32 [slice, row, column].
        sigma: Standard deviation of the noise in the real and in the imaginary channel.
        phase_share: Share of the lines that are acquired along phase encoding.
        readout_share: Share of the points that are acquired along the readout.
        rng: The random stream of the defect.
    """
    real, imaginary = rng.standard_normal((2, *image.shape), np.float32)
    return np.hypot(
        image + sigma * _filter_noise(real, phase_share, readout_share),
        sigma * _filter_noise(imaginary, phase_share, readout_share),
    )


def _filter_noise(noise: np.ndarray, phase_share: float, readout_share: float) -> np.ndarray:
    """Remove the omitted lines from white noise and restore its variance."""
    for axis, share in ((1, phase_share), (2, readout_share)):
        if share < 1:
            n = noise.shape[axis]
            lines = np.count_nonzero(np.abs(fft.fftfreq(n)) <= share / 2)
            noise = _filter_lines(noise, _acquired_lines(n, share), axis) * np.float32(
                np.sqrt(n / lines)
            )
    return noise


def _acquired_lines(n: int, share: float) -> np.ndarray:
    """Return bool, for each non-negative frequency of n voxels, whether it is acquired."""
    mask: np.ndarray = fft.rfftfreq(n) <= share / 2
    return mask


def _filter_lines(image: np.ndarray, weight: np.ndarray, axis: int) -> np.ndarray:
    """Multiply the non-negative frequencies along an axis by a weight each."""
    shape = [1, 1, 1]
    shape[axis] = -1
    lines = fft.rfft(image, axis=axis) * weight.astype(np.float32).reshape(shape)
    filtered: np.ndarray = fft.irfft(lines, image.shape[axis], axis=axis)
    return filtered
