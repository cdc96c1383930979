"""Atrophy: each label of a structure loses its outermost voxels, to a share of its volume.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import (
    fill_from_around,
    label_values,
    shrink_mask,
    structure_mask,
    volume_ml,
)
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "atrophy"


def atrophy(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    share: float,
    into: str | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Shrink each label of a structure to a share of its volume, exact to a voxel.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        share: The share of its volume that is left; 1 changes nothing.
        into: The label that fills the place, or None for what is around it.
        image: [z, y, x] or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: the share requested, the volume before,
        that requested and that achieved, ml.

    Raises:
        AnatomyError: The label map has no voxel of the structure, or `into` is a region or a part
            of it.
    """
    mask, values = structure_mask(label, table, structure), label_values(table, structure)
    fillers = label_values(table, into) if into is not None else []
    if len(fillers) > 1 or set(fillers) & set(values):
        why = "is a region" if len(fillers) > 1 else f"is a part of {structure}"
        raise AnatomyError(f"{NAME}: into is {into}, which {why}; allowed: another label")
    hole = np.zeros(label.shape, bool)
    for value in values:
        voxels = label == value
        lost = round((1 - share) * int(voxels.sum()))
        if lost:
            hole |= voxels & ~shrink_mask(voxels, spacing, lost)
    new = label.copy()
    new[hole] = fillers[0] if fillers else fill_from_around(label, mask, spacing)[hole]
    before_ml = volume_ml(mask, spacing)
    record: JsonObject = {
        "requested_share": float(share),
        "before_volume_ml": before_ml,
        "requested_volume_ml": share * before_ml,
        "achieved_volume_ml": volume_ml(mask & ~hole, spacing),
    }
    return new, repaint_changed(image, label, new, spacing), record
