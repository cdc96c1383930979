"""The largest width of a structure, in mm."""

import edt
import numpy as np

from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing

FINE_VOXELS = 3_000_000
"""In a larger box the width is measured between voxels' centres only."""


def inscribed_width_mm(mask: np.ndarray, spacing: Spacing) -> float:
    """Return the diameter of the largest ball that fits in a mask; of a plane, the largest circle.

    It is centred at the centre of a voxel or between voxels, so a slab has the width of its voxels.
    In a box of more than three million voxels it is right to a voxel. 0 for an empty mask.

    Args:
        mask: bool [z, y, x].
        spacing: mm (z, y, x).
    """
    if not mask.any():
        return 0.0
    inside = np.pad(mask[bounding_box(mask)], [(0, 0) if n == 1 else (1, 1) for n in mask.shape])
    if inside.size > FINE_VOXELS:
        depth_mm = edt.edt(inside, anisotropy=spacing, black_border=False)
        return float(2 * depth_mm.max() - min(spacing))
    for axis, length in enumerate(mask.shape):
        if length > 1:
            inside = _with_midpoints(inside, axis)
    steps = [s / 2 if n > 1 else s for s, n in zip(spacing, mask.shape, strict=True)]
    return float(2 * edt.edt(inside, anisotropy=steps, black_border=False).max())


def _with_midpoints(mask: np.ndarray, axis: int) -> np.ndarray:
    """Return a mask with a sample between any two along an axis, inside if both are."""
    values = np.moveaxis(mask, axis, 0)
    doubled = np.repeat(values, 2, axis=0)[:-1]
    doubled[1::2] = values[:-1] & values[1:]
    return np.ascontiguousarray(np.moveaxis(doubled, 0, axis))
