"""Random transforms of training slices."""

import numpy as np
from scipy import ndimage

from factory.training.recipe import Augment


def moved(
    label: np.ndarray,
    augment: Augment,
    rng: np.random.Generator,
    order: int = 0,
    outside: float = 0.0,
) -> np.ndarray:
    """A map turned, zoomed and shifted in its planes (the last two axes), by nearest neighbour;
    an image with order 1, linearly, `outside` being what lies beyond its edge."""
    turn, zoom, down, right = rng.uniform(-1, 1, 4)
    angle = np.radians(turn * augment.rotate_degrees)
    scale = (1 + augment.zoom) ** zoom
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    middle = (np.array(label.shape[-2:]) - 1) / 2
    matrix = np.eye(label.ndim)
    matrix[-2:, -2:] = [[cos, -sin], [sin, cos]]
    offset = np.zeros(label.ndim)
    shift = np.array([down, right]) * augment.shift_voxels
    offset[-2:] = middle - matrix[-2:, -2:] @ (middle + shift)
    made: np.ndarray = ndimage.affine_transform(label, matrix, offset, order=order, cval=outside)
    return made
