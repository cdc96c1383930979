"""What the edits of a single structure share: its parameters, its mask, and filling its place.

A structure is a label of the dataset's table or a region of the recipe. Arrays are [z, y, x]
(RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.repaint import smooth_distance_mm
from factory.anatomy.edits.operator import Operator
from factory.config.types import LabelName
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box, box_with_margin, widen_box
from factory.imaging.types import Spacing
from factory.storage.errors import SubjectError
from factory.storage.subjects.types import LabelTable

FIRST_MARGIN_MM = 6.0
"""How far around a structure its new voxels are looked for at first."""

BLUR_REACH = 5
"""Voxels around a mask that its smooth distance depends on."""


class StructureEdit(Operator):
    """An edit of one structure: a label or a region of the recipe."""

    structure: LabelName

    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the labels and regions that the edit names, by parameter."""
        return {"structure": (self.structure,)}


def label_values(table: LabelTable, name: str) -> list[int]:
    """Return the values of a label or region.

    Raises:
        AnatomyError: The table has neither.
    """
    try:
        return [0] if name == table.names[0] else table.values_of(name)
    except SubjectError as error:
        raise AnatomyError(str(error)) from None


def structure_mask(label: np.ndarray, table: LabelTable, name: str) -> np.ndarray:
    """Return where a structure is, bool [z, y, x].

    Raises:
        AnatomyError: The table does not have it, or it is nowhere in this label map.
    """
    mask = mask_of(label, label_values(table, name))
    if not mask.any():
        raise AnatomyError(f"{name}: this label map has no voxel of it")
    return mask


def mask_of(label: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return where a label map has one of some values, bool [z, y, x]."""
    table = np.zeros(np.iinfo(label.dtype).max + 1, bool)
    table[list(values)] = True
    mask: np.ndarray = table[label]
    return mask


def volume_ml(mask: np.ndarray, spacing: Spacing) -> float:
    """Return the volume of a mask, ml."""
    return float(np.count_nonzero(mask) * np.prod(spacing) / 1000)


def fill_from_around(label: np.ndarray, hole: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return a label map whose voxels in a hole have the nearest label outside it.

    Args:
        label: [z, y, x]; not changed.
        hole: bool [z, y, x].
        spacing: mm (z, y, x).
    """
    filled = label.copy()
    if not hole.any():
        return filled
    box = box_with_margin(hole, (1, 1, 1))
    inside = hole[box]
    if inside.all():
        return filled
    nearest = ndimage.distance_transform_edt(
        inside, sampling=spacing, return_distances=False, return_indices=True
    )
    filled[box][inside] = label[box][tuple(axis[inside] for axis in nearest)]
    return filled


def grow_mask(mask: np.ndarray, allowed: np.ndarray, spacing: Spacing, count: int) -> np.ndarray:
    """Return a mask grown by its nearest allowed voxels.

    Args:
        mask: bool [z, y, x].
        allowed: Where it may grow, bool of the same shape.
        spacing: mm (z, y, x).
        count: How many voxels it gains at most; fewer where fewer are allowed.
    """
    tight = bounding_box(mask)
    margin_mm = FIRST_MARGIN_MM
    while True:
        margin = [int(margin_mm / s) + 1 + BLUR_REACH for s in spacing]
        box = widen_box(tight, margin, mask.shape)
        distance_mm = ndimage.distance_transform_edt(~mask[box], sampling=spacing)
        candidates = np.flatnonzero(allowed[box] & ~mask[box])
        distances_mm = distance_mm.ravel()[candidates]
        is_all = box == widen_box(box, mask.shape, mask.shape)
        # Beyond the box, everything is further away than the margin.
        if is_all or np.count_nonzero(distances_mm <= margin_mm) >= count:
            break
        margin_mm *= 2
    # Equal distances are in the order of smooth ones, not in that of the raster.
    smooth_mm = smooth_distance_mm(mask[box], spacing).ravel()[candidates]
    order = np.lexsort((smooth_mm, distances_mm))
    gained = np.zeros(distance_mm.shape, bool)
    gained.ravel()[candidates[order[:count]]] = True
    grown = mask.copy()
    grown[box] |= gained
    return grown


def shrink_mask(mask: np.ndarray, spacing: Spacing, count: int) -> np.ndarray:
    """Return a mask without the voxels that are nearest to its surface.

    Args:
        mask: bool [z, y, x].
        spacing: mm (z, y, x).
        count: How many voxels it loses.
    """
    box = bounding_box(mask)
    inside = mask[box]
    voxels = np.flatnonzero(inside)
    # Equal depths are in the order of smooth ones, not in that of the raster.
    rim = [(0, 0) if length == 1 else (BLUR_REACH, BLUR_REACH) for length in mask.shape]
    smooth_mm = smooth_distance_mm(np.pad(inside, rim), spacing)
    smooth_mm = smooth_mm[tuple(slice(n, -n or None) for n, _ in rim)]
    depths_mm = depth_mm(inside, spacing).ravel()[voxels]
    order = np.lexsort((-smooth_mm.ravel()[voxels], depths_mm))
    lost = np.zeros(inside.shape, bool)
    lost.ravel()[voxels[order[:count]]] = True
    shrunk = mask.copy()
    shrunk[box] &= ~lost
    return shrunk


def depth_mm(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the distance of each voxel of a mask to the nearest one outside it, mm [z, y, x].

    The array's sides are outside, but a plane has no depth of its own.
    """
    padding = [(0, 0) if length == 1 else (1, 1) for length in mask.shape]
    depth: np.ndarray = ndimage.distance_transform_edt(np.pad(mask, padding), sampling=spacing)
    return depth[tuple(slice(n, -n or None) for n, _ in padding)]
