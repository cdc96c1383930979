"""A fast feature extractor: 4 × 4 means of an image."""

import numpy as np


def moments(images: np.ndarray) -> np.ndarray:
    """Means of the four quarters (N, 4)."""
    half = images.shape[-1] // 2
    parts = [images[..., y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
    return np.stack([image.mean((1, 2, 3)) for image in parts], 1)
