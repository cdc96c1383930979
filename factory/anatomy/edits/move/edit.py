"""Shift a structure, e.g. a heart in the chest or a mass that is displaced."""

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.rigid import centre_mm, move_structure
from factory.anatomy.edits.structure import label_values, mask_of, structure_mask
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def move(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    right_mm: float = 0.0,
    anterior_mm: float = 0.0,
    superior_mm: float = 0.0,
    image: np.ndarray | None = None,
) -> EditResult:
    """Shift a structure by millimetres, to within half a voxel along each axis.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        right_mm: Towards the patient's right; negative to the left.
        anterior_mm: Towards the front.
        superior_mm: Upwards.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: the requested and the achieved length of
        the shift, mm, the latter between the centres.

    Raises:
        AnatomyError: The label map has no voxel of the structure, or it would leave the array.
    """
    mask = structure_mask(label, table, structure)
    shift_mm = np.array([superior_mm, anterior_mm, right_mm])
    new = label.copy()
    if shift_mm.any():
        new = move_structure(label, mask, spacing, np.eye(3), shift_mm)
    moved = mask_of(new, label_values(table, structure))
    achieved = centre_mm(moved, spacing) - centre_mm(mask, spacing)
    record = {
        "requested_mm": float(np.linalg.norm(shift_mm)),
        "achieved_mm": float(np.linalg.norm(achieved)),
    }
    return new, repaint_changed(image, label, new, spacing), record
