"""Remove a structure, as after a resection or where an organ is missing."""

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import fill_from_around, structure_mask, volume_ml
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def remove(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    image: np.ndarray | None = None,
) -> EditResult:
    """Fill the place of a structure with the nearest labels around it.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and the removed volume in ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure.
    """
    mask = structure_mask(label, table, structure)
    new = fill_from_around(label, mask, spacing)
    record = {"removed_volume_ml": volume_ml(mask & (new != label), spacing)}
    return new, repaint_changed(image, label, new, spacing), record
