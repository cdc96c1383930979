"""An image brought along where voxels have changed tissue.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

import numpy as np
from scipy import ndimage

from factory.anatomy.ventricles import box_of

SMOOTH_MM = 1.5
"""Blur of what is carried over, so that it leaves no streaks."""


def repainted(
    image: np.ndarray | None, old: np.ndarray, new: np.ndarray, spacing: tuple[float, float, float]
) -> np.ndarray | None:
    """Each voxel that changed takes the intensity of the nearest that was its new tissue and is.

    Taken from clear of that tissue's old boundary where there is such a place, since a boundary is
    blurred; a tissue that is new to the label map finds nothing to take and leaves the image as it
    was. Returns float32, or None where there is no image.
    """
    if image is None:
        return None
    painted = image.astype(np.float32)
    changed = old != new
    if not changed.any():
        return painted
    box = box_of((old > 0) | (new > 0), (1, 1, 1))
    inside, now = painted[box], new[box]
    source = inside.copy()
    for value in np.unique(new[changed]):
        kept = (now == value) & ~changed[box]
        clear = ndimage.binary_erosion(kept)
        if not kept.any():
            continue
        nearest = ndimage.distance_transform_edt(
            ~(clear if clear.any() else kept),
            sampling=spacing,
            return_distances=False,
            return_indices=True,
        )
        carried = ndimage.gaussian_filter(source[tuple(nearest)], [SMOOTH_MM / s for s in spacing])
        paint = changed[box] & (now == value)
        inside[paint] = carried[paint]
    return painted
