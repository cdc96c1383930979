"""A rigid motion of one structure, whose volume it keeps.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import itertools

import numpy as np
from scipy import ndimage

from factory.anatomy.edits.structure import fill_from_around
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box, widen_box
from factory.imaging.types import Spacing


def centre_mm(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the centre of a mask, mm (z, y, x) from the first voxel."""
    centre: np.ndarray = np.array([axis.mean() for axis in np.nonzero(mask)]) * spacing
    return centre


def move_structure(
    label: np.ndarray,
    mask: np.ndarray,
    spacing: Spacing,
    rotation: np.ndarray,
    shift_mm: np.ndarray,
) -> np.ndarray:
    """Return a label map in which a structure has been rotated about its centre and shifted.

    The place that it leaves is filled with what is around it. It overwrites what it comes to.

    Args:
        label: [z, y, x]; not changed.
        mask: Where the structure is, bool of the same shape.
        spacing: mm (z, y, x).
        rotation: 3×3, acts on mm (z, y, x).
        shift_mm: (z, y, x).

    Raises:
        AnatomyError: The structure would leave the array.
    """
    if label.shape[0] == 1 and (shift_mm[0] or rotation[0, 0] < 1 - 1e-9):
        raise AnatomyError(
            "move and rotate stay within a single slice; allowed: right_mm, anterior_mm and axis: "
            "superior"
        )
    middle = centre_mm(mask, spacing)
    box = _swept_box(mask, spacing, rotation, shift_mm, middle)
    start_mm = np.array([side.start for side in box]) * spacing
    scale, inverse = np.diag(spacing), rotation.T
    # the voxel at p (mm) shows the point inverse (p - middle - shift) + middle of before
    matrix = np.linalg.inv(scale) @ inverse @ scale
    middle = middle - start_mm
    offset = (middle - inverse @ (middle + shift_mm)) / np.array(spacing)
    here = mask[box]
    share = ndimage.affine_transform(here.astype(np.float32), matrix, offset, order=1)
    count = int(np.count_nonzero(here))
    if share.sum() < 0.98 * count:
        raise AnatomyError("the structure would leave the array; allowed: a shorter way")
    moved = _largest(share, count)
    new = fill_from_around(label, mask, spacing)
    new[box][moved] = _labels_of_source(label[box], here, moved, matrix, offset, spacing)
    return new


def _swept_box(
    mask: np.ndarray,
    spacing: Spacing,
    rotation: np.ndarray,
    shift_mm: np.ndarray,
    middle_mm: np.ndarray,
) -> tuple[slice, slice, slice]:
    """Return a box that contains a structure before and after a motion, within the array."""
    tight = bounding_box(mask)
    corners = np.array(list(itertools.product(*[(side.start, side.stop) for side in tight])))
    after_mm = (corners * spacing - middle_mm) @ rotation.T + middle_mm + shift_mm
    ends = np.concatenate([corners, after_mm / spacing])
    low, high = np.floor(ends.min(0)).astype(int) - 2, np.ceil(ends.max(0)).astype(int) + 2
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return widen_box(box, (0, 0, 0), mask.shape)


def _largest(share: np.ndarray, count: int) -> np.ndarray:
    """Return the voxels with the greatest shares, as many as are asked for."""
    order = np.argsort(-share.ravel(), kind="stable")[:count]
    selected = np.zeros(share.shape, bool)
    selected.ravel()[order] = True
    return selected


def _labels_of_source(
    label: np.ndarray,
    mask: np.ndarray,
    moved: np.ndarray,
    matrix: np.ndarray,
    offset: np.ndarray,
    spacing: Spacing,
) -> np.ndarray:
    """Return the label of each moved voxel: that of the structure's voxel nearest to its source."""
    sources = np.rint(matrix @ np.array(np.nonzero(moved)) + offset[:, None]).astype(int)
    sources = np.clip(sources, 0, np.array(label.shape)[:, None] - 1)
    nearest = ndimage.distance_transform_edt(
        ~mask, sampling=spacing, return_distances=False, return_indices=True
    )
    labels: np.ndarray = label[tuple(axis[tuple(sources)] for axis in nearest)]
    return labels
