"""Grow a structure by a distance in millimetres; what it grows into is overwritten."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import label_values, mask_of, structure_mask, volume_ml
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def dilate(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    mm: float,
    into: Sequence[str] | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Give a structure all voxels within a distance that it can reach through allowed labels.

    Of a region with several labels, each new voxel gets the nearest of them.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        mm: The distance; 0 changes nothing. More adds to what less adds.
        into: Labels and regions that it may grow into, "background" for what has no label; None
            allows all.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record in mm and ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure, it would reach the edge of the
            array, or a label is unknown.
    """
    mask = structure_mask(label, table, structure)
    box = box_with_margin(mask, tuple(int(mm / s) + 2 for s in spacing))
    seed, inside = mask[box], label[box]
    distance_mm, nearest = ndimage.distance_transform_edt(
        ~seed, sampling=spacing, return_indices=True
    )
    allowed = np.ones(inside.shape, bool)
    if into is not None:
        allowed = mask_of(inside, [value for name in into for value in label_values(table, name)])
    within = seed | (allowed & (distance_mm <= mm))
    grown = ndimage.binary_propagation(seed, mask=within)
    new = label.copy()
    gained = grown & ~seed
    new[box][gained] = inside[tuple(axis[gained] for axis in nearest)]
    _check_room(label, new)
    record = {
        "requested_mm": float(mm),
        "before_volume_ml": volume_ml(mask, spacing),
        "achieved_volume_ml": volume_ml(mask, spacing) + volume_ml(gained, spacing),
    }
    return new, repaint_changed(image, label, new, spacing), record


def _check_room(old: np.ndarray, new: np.ndarray) -> None:
    """Raise AnatomyError if the labels reach more of the array's sides than before."""
    for axis, length in enumerate(old.shape):
        ends = [0, -1]
        if length > 1 and ((new.take(ends, axis) > 0) & (old.take(ends, axis) == 0)).any():
            raise AnatomyError("dilate: the structure would leave the array; give it a wider shape")
