"""Random transforms of training slices and volumes."""

import numpy as np
from scipy import ndimage

from factory.training.recipe import Augment


def transform_in_plane(
    array: np.ndarray,
    augment: Augment,
    rng: np.random.Generator,
    order: int = 0,
    outside: float = 0.0,
) -> np.ndarray:
    """Rotate, zoom and shift an array at random in its last two axes.

    Args:
        array: A label map or an image, [..., y, x].
        augment: The largest rotation, zoom and shift.
        rng: Four numbers are drawn from it.
        order: 0 for nearest neighbour (labels), 1 for linear interpolation (images).
        outside: Value beyond the edges of the array.
    """
    turn, zoom, down, right = rng.uniform(-1, 1, 4)
    angle = np.radians(turn * augment.rotate_degrees)
    scale = (1 + augment.zoom) ** zoom
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    middle = (np.array(array.shape[-2:]) - 1) / 2
    matrix = np.eye(array.ndim)
    matrix[-2:, -2:] = [[cos, -sin], [sin, cos]]
    offset = np.zeros(array.ndim)
    shift = np.array([down, right]) * augment.shift_voxels
    offset[-2:] = middle - matrix[-2:, -2:] @ (middle + shift)
    transformed: np.ndarray = ndimage.affine_transform(
        array, matrix, offset, order=order, cval=outside
    )
    return transformed
