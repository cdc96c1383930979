"""Give a structure another label, e.g. where two datasets divide an organ differently."""

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import label_values, structure_mask, volume_ml
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def relabel(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    to: str,
    image: np.ndarray | None = None,
) -> EditResult:
    """Make a structure a part of another label.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        to: The label that it becomes; no region.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and the relabelled volume in ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure, or `to` is a region.
    """
    mask = structure_mask(label, table, structure)
    values = label_values(table, to)
    if len(values) > 1:
        raise AnatomyError(f"relabel: {to} is a region; allowed: a label")
    new = label.copy()
    new[mask] = values[0]
    record = {"relabelled_volume_ml": volume_ml(new != label, spacing)}
    return new, repaint_changed(image, label, new, spacing), record
