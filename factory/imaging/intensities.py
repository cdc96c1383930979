"""Intensities between the scanner's units, ours and the networks'.

Ours: multiples of the 99.5th percentile inside the brain, so that 0 is dark and 1 is bright.
"""

import numpy as np

RANGE = (0.0, 1.2)
"""What the networks can express of ours; brighter voxels are clipped in training."""


def normalise(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Scanner units to ours: float32, unclipped."""
    return (image / np.percentile(image[label > 0], 99.5)).astype(np.float32)


def to_network(image: np.ndarray) -> np.ndarray:
    """Ours to the networks' [-1, 1], clipped to RANGE: float32."""
    low, high = RANGE
    return (2 * (np.clip(image, low, high) - low) / (high - low) - 1).astype(np.float32)


def from_network(image: np.ndarray) -> np.ndarray:
    """The networks' [-1, 1] back to ours: float32."""
    low, high = RANGE
    return ((image + 1) / 2 * (high - low) + low).astype(np.float32)
