"""What sampling k-space does: lines left out, the echo train's decay, complex noise.

Slices are [slice, row, column]; rows lie along the phase-encoding axis, columns along the readout.
"""

import numpy as np
from scipy import fft


def encode_in_kspace(
    image: np.ndarray, kept: float, readout_kept: float, decay: float
) -> np.ndarray:
    """The slices from the lines that were kept about the centre of k-space, others zero: float32.

    kept: share of the lines along phase encoding. readout_kept: share along the readout. decay:
    echo train / T2. The train of a half-Fourier single shot starts at the centre of k-space, and
    its other half is the conjugate: lines are weighted by exp(-decay |k| / k_max), k_max the
    outermost that is kept. A point becomes a Lorentzian of full width 2/π · decay / kept voxels;
    brightness stays, as the weight is 1 at the centre.
    """
    if decay or kept < 1:
        frequency = fft.rfftfreq(image.shape[1])
        weight = np.exp(-2 * decay / kept * frequency) * _mask(image.shape[1], kept)
        image = _filtered(image, weight, 1)
    if readout_kept < 1:
        image = _filtered(image, _mask(image.shape[2], readout_kept), 2)
    return image


def add_rician_noise(
    image: np.ndarray,
    sigma: float,
    kept: float,
    readout_kept: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The magnitude of the slices with complex Gaussian noise of sigma a channel: Rician, float32.

    The noise is that of the lines which were kept (see encode), its standard deviation sigma.
    """
    real, imaginary = rng.standard_normal((2, *image.shape), np.float32)
    return np.hypot(
        image + sigma * _of_lines(real, kept, readout_kept),
        sigma * _of_lines(imaginary, kept, readout_kept),
    )


def _of_lines(noise: np.ndarray, kept: float, readout_kept: float) -> np.ndarray:
    """White noise without the lines that were left out, its variance restored."""
    for axis, share in ((1, kept), (2, readout_kept)):
        if share < 1:
            n = noise.shape[axis]
            lines = np.count_nonzero(np.abs(fft.fftfreq(n)) <= share / 2)
            noise = _filtered(noise, _mask(n, share), axis) * np.float32(np.sqrt(n / lines))
    return noise


def _mask(n: int, kept: float) -> np.ndarray:
    return fft.rfftfreq(n) <= kept / 2


def _filtered(image: np.ndarray, weight: np.ndarray, axis: int) -> np.ndarray:
    shape = [1, 1, 1]
    shape[axis] = -1
    lines = fft.rfft(image, axis=axis) * weight.astype(np.float32).reshape(shape)
    return fft.irfft(lines, image.shape[axis], axis=axis)
