"""Features that cost nothing: 4 by 4 means of an image."""

import numpy as np


def coarse(images: np.ndarray) -> np.ndarray:
    n, _, rows, columns = images.shape
    cut = images[..., : rows // 4 * 4, : columns // 4 * 4].mean(1)
    return cut.reshape(n, 4, rows // 4, 4, columns // 4).mean((2, 4)).reshape(n, 16)


def not_finite(images: np.ndarray) -> np.ndarray:
    return np.full((len(images), 3), np.nan)
