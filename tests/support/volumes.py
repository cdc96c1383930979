"""Small volumes with known properties."""

import numpy as np

from factory.storage.subjects.types import FETA, Grid

WHITE = FETA.index("white_matter")
GREY = FETA.index("grey_matter")
SHAPE = (36, 44, 40)


def ball(
    shape: tuple[int, int, int] = SHAPE, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray, Grid]:
    """White matter at 0.8 within grey at 0.5, air about: image, label, grid."""
    centre = (np.array(shape)[:, None, None, None] - 1) / 2
    share = (np.indices(shape) - centre) / (0.42 * np.array(shape)[:, None, None, None])
    radius = np.sqrt((share**2).sum(0))
    label = np.where(radius < 0.75, WHITE, np.where(radius < 1, GREY, 0)).astype(np.uint8)
    image = np.choose(np.searchsorted([0, GREY, WHITE], label), [0, 0.5, 0.8]).astype(np.float32)
    return image, label, Grid.centred(shape, spacing)


def block(shape: tuple[int, int, int], value: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """All white matter at one value."""
    return np.full(shape, value, np.float32), np.full(shape, WHITE, np.uint8)


def half_width(x: np.ndarray, y: np.ndarray) -> float:
    """Full width at half maximum of a single peak, between samples in line."""
    half = y.max() / 2
    above = np.flatnonzero(y >= half)
    low, high = above[0], above[-1]
    left_mm = np.interp(half, [y[low - 1], y[low]], [x[low - 1], x[low]])
    right = np.interp(-half, [-y[high], -y[high + 1]], [x[high], x[high + 1]])
    return float(right - left_mm)
