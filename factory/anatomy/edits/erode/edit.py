"""Shrink a structure by a distance in millimetres; what is around it fills the place."""

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import depth_mm, fill_from_around, structure_mask, volume_ml
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def erode(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    mm: float,
    image: np.ndarray | None = None,
) -> EditResult:
    """Take from a structure all voxels within a distance from its surface.

    A voxel is taken if its centre is at most mm from the nearest voxel outside the structure.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        mm: The distance; less than a voxel changes nothing.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record in mm and ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure, or nothing would be left of it.
    """
    mask = structure_mask(label, table, structure)
    box = bounding_box(mask)
    inside_mm = depth_mm(mask[box], spacing)
    kept_mask = mask.copy()
    kept_mask[box] &= inside_mm > mm
    if not kept_mask.any():
        raise AnatomyError(
            f"erode: {mm:g} mm leaves nothing of {structure}, which is at most "
            f"{inside_mm.max():.3g} mm deep"
        )
    hole = mask & ~kept_mask
    new = _fill_without(label, mask, hole, spacing)
    record = {
        "requested_mm": float(mm),
        "before_volume_ml": volume_ml(mask, spacing),
        "achieved_volume_ml": volume_ml(kept_mask, spacing),
    }
    return new, repaint_changed(image, label, new, spacing), record


def _fill_without(
    label: np.ndarray, mask: np.ndarray, hole: np.ndarray, spacing: Spacing
) -> np.ndarray:
    """Fill a hole from what lies around the whole structure, which does not fill it again."""
    new = label.copy()
    around = fill_from_around(label, mask, spacing)
    new[hole] = around[hole]
    return new
