"""An image brought along where voxels have changed tissue.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

import edt
import numpy as np
from scipy import ndimage

from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing

SMOOTH_MM = 1.5
"""Blur of what is carried over, so that it leaves no streaks."""
WALL_VOXELS = 2.5
"""How deep the blur of a wall reaches into an image."""
DEEP_PERCENT = 90


def repainted(
    image: np.ndarray | None, old: np.ndarray, new: np.ndarray, spacing: Spacing
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
    box = box_with_margin((old > 0) | (new > 0), (1, 1, 1))
    inside, now = painted[box], new[box]
    source = inside.copy()
    for value in np.unique(new[changed]):
        kept = (now == value) & ~changed[box]
        clear = ndimage.binary_erosion(kept)
        if not kept.any():
            continue
        carried = _from_nearest(source, clear if clear.any() else kept, spacing)
        paint = changed[box] & (now == value)
        inside[paint] = carried[paint]
    return painted


def paint_fluid(
    image: np.ndarray, ventricle: np.ndarray, gained: np.ndarray, spacing: Spacing
) -> None:
    """Fill, in place, what the ventricle gained and its old wall there with its own fluid."""
    if not gained.any():
        return
    wall_mm = WALL_VOXELS * max(spacing)
    depth = edt.edt(ventricle, anisotropy=spacing, black_border=False)
    # Where a horn is too thin to have an inside clear of the wall, its middle has to do.
    middle = (depth == ndimage.maximum_filter(depth, 3)) & ventricle
    fluid = (depth > wall_mm) | middle
    filled = _from_nearest(image, fluid, spacing)
    beside = edt.edt(~gained, anisotropy=spacing, black_border=False) <= wall_mm
    paint = gained | (ventricle & ~fluid & beside)
    image[paint] = filled[paint]


def fill_with_fluid(
    image: np.ndarray, fluid: np.ndarray, gap: np.ndarray, spacing: Spacing
) -> None:
    """Paint, in place, a gap and the old wall beside it as the nearest deep fluid, if there is any.

    Deep, since thin sheets of fluid show what lies on either side of them.
    """
    if not (gap.any() and fluid.any()):
        return
    depth = edt.edt(fluid, anisotropy=spacing, black_border=False)
    pure = depth >= np.percentile(depth[fluid], DEEP_PERCENT)
    filled = _from_nearest(image, pure, spacing)
    beside = edt.edt(~gap, anisotropy=spacing, black_border=False) <= WALL_VOXELS * max(spacing)
    paint = gap | (fluid & beside)
    image[paint] = filled[paint]


def _from_nearest(image: np.ndarray, source: np.ndarray, spacing: Spacing) -> np.ndarray:
    """At each voxel the intensity of the nearest that is a source, slightly blurred."""
    nearest = ndimage.distance_transform_edt(
        ~source, sampling=spacing, return_distances=False, return_indices=True
    )
    return ndimage.gaussian_filter(image[tuple(nearest)], [SMOOTH_MM / s for s in spacing])


def smooth_distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Distance (mm) outwards from a mask's outermost voxels, negative inside, slightly blurred.

    Plain distances between voxels come in leaps, and so would the width: 1, 1.4, 1.7 voxels. The
    blur spreads them, so that walls move a voxel here and a voxel there; a plane stays in place.
    """
    # To the nearest voxel of the other kind, both kinds in one go.
    apart = edt.edt(np.where(mask, np.uint8(2), np.uint8(1)), anisotropy=spacing)
    signed = np.where(mask, np.minimum(min(spacing) - apart, 0), apart)
    return ndimage.gaussian_filter(signed, 1.0)
