"""What the edits of a single structure share: its parameters, its mask, and filling its place.

A structure is a label of the dataset's table or a region of the recipe. Arrays are [z, y, x]
(RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import numpy as np
from scipy import ndimage

from factory.anatomy.edits.operator import Operator
from factory.config.types import LabelName
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.errors import SubjectError
from factory.storage.subjects.types import LabelTable


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
    mask = np.isin(label, label_values(table, name))
    if not mask.any():
        raise AnatomyError(f"{name}: this label map has no voxel of it")
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
    distance_mm = ndimage.distance_transform_edt(~mask, sampling=spacing)
    candidates = np.flatnonzero(allowed & ~mask)
    order = np.argsort(distance_mm.ravel()[candidates], kind="stable")
    grown = mask.copy()
    grown.ravel()[candidates[order[:count]]] = True
    return grown


def shrink_mask(mask: np.ndarray, spacing: Spacing, count: int) -> np.ndarray:
    """Return a mask without the voxels that are nearest to its surface.

    Args:
        mask: bool [z, y, x].
        spacing: mm (z, y, x).
        count: How many voxels it loses.
    """
    depth_mm = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    voxels = np.flatnonzero(mask)
    order = np.argsort(depth_mm.ravel()[voxels], kind="stable")
    shrunk = mask.copy()
    shrunk.ravel()[voxels[order[:count]]] = False
    return shrunk
