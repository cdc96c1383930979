"""Thickness of the cortical ribbon, in mm, finer than voxels."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from factory.anatomy.regions import CEREBRUM, where
from factory.imaging.boxes import box_with_margin, crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

BLUR_VOXELS = 1.0
"""Takes the voxels' stairs off slanted surfaces; flat ones stay in place."""
REACH = 3
"""Voxels about the grey matter that have a say: a face beyond, and what the blur brings there."""


def cortical_thickness_mm(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> dict[str, float | None]:
    """Thickness of the grey matter, {"mean": mm, "p5": mm}, p5 its 5th percentile.

    At each place of the outer surface, the shortest way to the inner one: the pial half of the
    definition of Fischl and Dale (PNAS 2000). The inner surface is where grey matter meets the
    rest of the cerebrum, the outer one where it meets all else. The points lie where the
    slightly blurred border crosses one half, one for each pair of neighbouring voxels. On shells
    of 1.5 voxels or more the mean is right to a tenth of a voxel and p5 to a half: it comes out a
    fifth of a voxel low on most, and 0.4 on corners and where a shell sits just on the grid.

    Where sulci are shut there is no outer surface, and nothing is measured; where the ribbon
    tapers off or is torn, its thin edge counts. Both None where there is no grey matter, or none
    that has both surfaces.
    """
    brain = crop_with_rim(label)
    grey = where(brain, table, ["grey_matter"])
    inner = where(brain, table, [name for name in CEREBRUM if name != "grey_matter"])
    white_surface = _surface(grey, inner, spacing)
    pial_surface = _surface(grey, ~(grey | inner), spacing)
    if not len(white_surface) or not len(pial_surface):
        return {"mean": None, "p5": None}
    tree = cKDTree(white_surface, compact_nodes=False, balanced_tree=False)
    thickness, _ = tree.query(pial_surface)
    return {"mean": float(thickness.mean()), "p5": float(np.percentile(thickness, 5))}


def _surface(grey: np.ndarray, beyond: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Points [n, 3] (z, y, x) in mm at which what lies beyond the grey matter begins."""
    if not grey.any():
        return np.zeros((0, 3), np.float32)
    box = box_with_margin(grey, (REACH,) * 3)
    start = np.array([side.start for side in box])
    grey, beyond = grey[box], beyond[box]
    share = ndimage.gaussian_filter(beyond.astype(np.float32), BLUR_VOXELS, truncate=2.0)
    points = []
    for axis in range(3):
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        next_ = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        faces = (grey[here] & beyond[next_]) | (beyond[here] & grey[next_])
        at = np.unravel_index(np.flatnonzero(faces), faces.shape)  # faster than np.nonzero
        low, high = share[here][at], share[next_][at]
        step = np.where(high == low, np.inf, high - low)
        crossing = (0.5 - low) / step
        # A sheet too thin for the blur to cross one half in it: the face itself.
        crossing[(crossing < 0) | (crossing > 1) | (high == low)] = 0.5
        found = (np.stack(at, 1) + start).astype(np.float32)
        found[:, axis] += crossing
        points.append(found * np.array(spacing, np.float32))
    return np.concatenate(points)
