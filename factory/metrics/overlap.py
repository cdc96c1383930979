"""The agreement of two segmentations of one structure: overlap, volume, and surface distance.

Masks are bool [z, y, x]. A measure is NaN where it is undefined: Dice of a structure that is in
neither map, the distance of surfaces if one mask is empty.
"""

import edt
import numpy as np
from scipy import ndimage

from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import cut, grow_side
from factory.imaging.types import Spacing

PERCENTILE = 95.0
"""The percentile of the robust Hausdorff distance."""


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice coefficient 2 |A ∩ B| / (|A| + |B|) of two masks."""
    size = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / size if size else np.nan


def label_dice(a: np.ndarray, b: np.ndarray, value: int) -> float:
    """Return the Dice coefficient of one label in two label maps."""
    return dice(a == value, b == value)


def mean_label_dice(a: np.ndarray, b: np.ndarray, labels: int) -> float:
    """Return the mean Dice coefficient of the labels 1 to labels − 1, without undefined ones."""
    return float(np.nanmean([label_dice(a, b, value) for value in range(1, labels)]))


def volume_error(segmented: np.ndarray, expected: np.ndarray) -> float:
    """Return the relative error of the volume, |V(segmented) − V(expected)| / V(expected)."""
    size = int(expected.sum())
    return abs(int(segmented.sum()) - size) / size if size else np.nan


def surface_distances(
    a: np.ndarray, b: np.ndarray, spacing: Spacing
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the distance of each surface voxel of one mask to the other mask's surface.

    A surface voxel is a voxel of the mask with a face outside it.

    Args:
        a: A mask.
        b: Another mask on the same grid.
        spacing: Voxel size (z, y, x) in mm.

    Returns:
        The distances from A to B, and from B to A, in mm; empty arrays if a mask is empty.
    """
    if not a.any() or not b.any():
        return np.zeros(0), np.zeros(0)
    box = tuple(grow_side(side, 1, 1) for side in bounding_box(a | b))
    surfaces = [_surface(cut(mask, box)) for mask in (a, b)]
    to_a, to_b = (edt.edt(~surface, anisotropy=spacing) for surface in surfaces)
    return to_b[surfaces[0]], to_a[surfaces[1]]


def mean_surface_mm(a: np.ndarray, b: np.ndarray, spacing: Spacing) -> float:
    """Return the average symmetric surface distance of two masks in mm."""
    distances = np.concatenate(surface_distances(a, b, spacing))
    return float(distances.mean(dtype=np.float64)) if distances.size else np.nan


def hausdorff_95_mm(a: np.ndarray, b: np.ndarray, spacing: Spacing) -> float:
    """Return the larger of the two directions' 95th percentiles of surface distance, in mm."""
    directions = surface_distances(a, b, spacing)
    if not directions[0].size:
        return np.nan
    return max(float(np.percentile(distances, PERCENTILE)) for distances in directions)


def _surface(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a mask that have a face outside it."""
    surface: np.ndarray = mask & ~ndimage.binary_erosion(mask)
    return surface
