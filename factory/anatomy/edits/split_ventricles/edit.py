"""Let the ventricles' label mean the lateral ventricles only; see `ventricle_parts`."""

import numpy as np

from factory.anatomy.edits.operator import EditResult
from factory.anatomy.lateral_ventricles import tissue_value
from factory.anatomy.ventricle_parts import ventricle_parts
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable


def split_ventricles(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    third: str = "external_csf",
    fourth: str = "external_csf",
    image: np.ndarray | None = None,
) -> EditResult:
    """Give the third and the fourth ventricle other labels.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        third: The label that the third ventricle becomes.
        fourth: The label that the fourth ventricle and the aqueduct become.
        image: [z, y, x] or [channel, z, y, x], or None. It stays, since the fluid does.

    Returns:
        New label, image (float32, or None) and the volume of each part in ml.

    Raises:
        AnatomyError: The table lacks a label.
    """
    values = {"third": tissue_value(third, table), "fourth": tissue_value(fourth, table)}
    parts = ventricle_parts(label, spacing, table)
    new = label.copy()
    for name, value in values.items():
        new[parts[name]] = value
    voxel_ml = float(np.prod(spacing)) / 1000
    record: JsonObject = {f"{n}_volume_ml": float(p.sum() * voxel_ml) for n, p in parts.items()}
    return new, None if image is None else image.astype(np.float32), record
