"""Intensities in units of the scanner, of the factory and of the networks.

The factory's unit of intensity is the 99.5th percentile inside the tissue: 0 is dark, 1 is bright.
Of signed images such as CT, 0 is the darkest intensity, which is air.
"""

import numpy as np

from factory.storage.subjects.resample import AIR_HU

UNIT_PERCENTILE = 99.5
"""The percentile of the intensities inside the tissue that counts as 1."""

RANGE = (0.0, 1.2)
"""The intensities, in the factory's unit, that the networks can express; others are clipped."""


def intensity_unit(image: np.ndarray, mask: np.ndarray) -> np.floating:
    """Return the intensity that counts as 1 in an image: its 99.5th percentile inside a mask."""
    unit: np.floating = np.percentile(image[mask], UNIT_PERCENTILE)
    return unit


UNDERSHOOT = 0.05
"""The share of the unit by which interpolation alone takes an unsigned image below 0."""


def intensity_zero(image: np.ndarray, label: np.ndarray) -> float:
    """Return the intensity that counts as 0 in an image.

    It is 0 for an unsigned image, and otherwise the least intensity, but at least AIR_HU.

    Args:
        image: Intensities in scanner units, of one channel.
        label: The label map; the unit is measured where it is above 0.
    """
    least = float(image.min())
    if least >= 0 or least >= -UNDERSHOOT * float(intensity_unit(image, label > 0)):
        return 0.0
    return max(least, AIR_HU)


HOUNSFIELD_AIR = -500.0
"""An image with intensities below this has air in Hounsfield units; no magnitude is so low."""


def has_hounsfield_units(image: np.ndarray) -> bool:
    """Return whether an image [z, y, x] in scanner units is a CT in Hounsfield units, with air."""
    return float(image.min()) < HOUNSFIELD_AIR


def intensity_span(image: np.ndarray, label: np.ndarray) -> np.floating:
    """Return the unit of an image above its zero: what counts as 1, minus what counts as 0."""
    span: np.floating = intensity_unit(image, label > 0) - intensity_zero(image, label)
    return span


def normalise(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Convert an image from scanner units to the factory's unit, without clipping.

    Each channel has a unit of its own.

    Args:
        image: Intensities in scanner units, of the label map's shape or with an axis of channels
            before it.
        label: The label map; the unit is measured where it is above 0.

    Returns:
        The image, float32.
    """
    if image.ndim > label.ndim:
        return np.stack([normalise(channel, label) for channel in image])
    zero = intensity_zero(image, label)
    unit = intensity_span(image, label)
    normalised: np.ndarray = ((image - zero if zero else image) / unit).astype(np.float32)
    return normalised


def to_network(image: np.ndarray) -> np.ndarray:
    """Convert an image from the factory's unit to the networks' [-1, 1], clipped to RANGE.

    Returns:
        The image, float32.
    """
    low, high = RANGE
    scaled: np.ndarray = 2 * (np.clip(image, low, high) - low) / (high - low) - 1
    return scaled.astype(np.float32)


def from_network(image: np.ndarray) -> np.ndarray:
    """Convert an image from the networks' [-1, 1] to the factory's unit, float32."""
    low, high = RANGE
    return ((image + 1) / 2 * (high - low) + low).astype(np.float32)
