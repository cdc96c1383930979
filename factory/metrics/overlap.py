"""How well two segmentations of one structure agree: overlap, volume, and distance of surfaces.

Masks are bool [z, y, x]; spacing in mm, (z, y, x). What has no value (a structure that is in
neither map, a surface of one that is in one alone) is NaN.
"""

import edt
import numpy as np
from scipy import ndimage

from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import cut, grow_side

PERCENTILE = 95.0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """2 |A ∩ B| / (|A| + |B|)."""
    size = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / size if size else np.nan


def label_dice(a: np.ndarray, b: np.ndarray, value: int) -> float:
    """Dice of the structure of one value in two label maps; NaN where neither map has it."""
    return dice(a == value, b == value)


def volume_error(made: np.ndarray, asked: np.ndarray) -> float:
    """|V(made) − V(asked)| / V(asked)."""
    size = int(asked.sum())
    return abs(int(made.sum()) - size) / size if size else np.nan


def surface_distances(
    a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Of every surface voxel of A the distance to B's surface, and of B's to A's, in mm; empty
    arrays where either mask is. A surface voxel is one of the mask with a face outside it."""
    if not a.any() or not b.any():
        return np.zeros(0), np.zeros(0)
    box = tuple(grow_side(side, 1, 1) for side in bounding_box(a | b))
    surfaces = [_surface(cut(mask, box)) for mask in (a, b)]
    to_a, to_b = (edt.edt(~surface, anisotropy=spacing) for surface in surfaces)
    return to_b[surfaces[0]], to_a[surfaces[1]]


def mean_surface_mm(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """The mean distance over all surface voxels of both: average symmetric surface distance."""
    found = np.concatenate(surface_distances(a, b, spacing))
    return float(found.mean(dtype=np.float64)) if found.size else np.nan


def hausdorff_95_mm(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """The larger of the two directions' 95th percentiles."""
    ways = surface_distances(a, b, spacing)
    return max(float(np.percentile(way, PERCENTILE)) for way in ways) if ways[0].size else np.nan


def _surface(mask: np.ndarray) -> np.ndarray:
    inside: np.ndarray = mask & ~ndimage.binary_erosion(mask)
    return inside
