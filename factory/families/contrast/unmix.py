"""Undo the mixing of tissues at borders in what is measured of real images.

In real images, the voxels at a border are mixtures. A painter mixes them once more, so that a
thin label, such as the fluid around a brain, is painted too much like its neighbours. Here the
brightness of labels is found whose painting has the measured one.
"""

import numpy as np
import torch

from factory.families.contrast.filters import average_partial_volume

NORMAL_QUARTILES = 1.349
"""The distance between the quartiles of a normal distribution, in standard deviations."""

ROUNDS = 3
"""How often the brightness is painted and corrected; more rounds hardly improve the fit."""

MOST_CHANGE = 2.0
"""The greatest factor of a spread in a round."""


def measure_voxels(voxels: np.ndarray) -> tuple[float, float]:
    """Return the median of voxels, and their spread from the distance of the quartiles."""
    low, median, high = np.percentile(voxels, (25, 50, 75))
    return float(median), float(high - low) / NORMAL_QUARTILES


def unmix_labels(
    image: np.ndarray,
    label: np.ndarray,
    measured: dict[int, tuple[float, float]],
    generator: np.random.Generator,
) -> dict[int, tuple[float, float]]:
    """Return the mean and the spread of labels that are measured like an image once painted.

    Args:
        image: [z, y, x]; its least and its greatest value limit the means.
        label: Of the same shape.
        measured: The median and the spread in the image, by the labels' values; others are 0.
        generator: Gives the noise of the paintings.
    """
    limits = float(image.min()), float(image.max())
    means, sds = np.zeros((2, int(label.max()) + 1), np.float32)
    for value, (median, spread) in measured.items():
        means[value], sds[value] = median, spread
    masks = {value: label == value for value in measured}
    noise = generator.standard_normal(label.shape, dtype=np.float32)
    for _ in range(ROUNDS):
        painted = np.clip(_mix(means[label]) + _mix(sds[label]) * noise, *limits)
        for value, (median, spread) in measured.items():
            painted_median, painted_spread = measure_voxels(painted[masks[value]])
            means[value] = np.clip(means[value] + median - painted_median, *limits)
            factor = spread / max(painted_spread, 1e-6)
            sds[value] *= np.clip(factor, 1 / MOST_CHANGE, MOST_CHANGE)
    return {value: (float(means[value]), float(sds[value])) for value in measured}


def _mix(volume: np.ndarray) -> np.ndarray:
    """Return a volume with partial volume, as the painter makes it."""
    mixed: np.ndarray = average_partial_volume(torch.from_numpy(volume)).numpy()
    return mixed
