"""The size of each tissue, compared with the sizes in a model's training data."""

import edt
import numpy as np
from scipy import ndimage

from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

TOLERANCE = 0.05
"""How far, relative to the limits of the training data, a size may lie outside them.

Resampling alone changes volumes and depths by 5 %."""


def label_sizes(label: np.ndarray, spacing: Spacing, labels: int) -> list[dict[str, float]]:
    """Measure the volume and the depth of each label.

    Args:
        label: Label map [z, y, x].
        spacing: Voxel size (z, y, x) in mm.
        labels: Number of labels, with the background.

    Returns:
        For each label value `volume_ml` and `depth_mm`, the largest distance from inside the label
        to its boundary. Both are 0 for the background.
    """
    if not label.any():
        return [{"volume_ml": 0.0, "depth_mm": 0.0}] * labels
    inside = np.ascontiguousarray(label[bounding_box(label)])
    depth = edt.edt(inside, anisotropy=spacing, black_border=True)  # of all labels at once
    voxels = np.bincount(inside.ravel(), minlength=labels)
    voxels[0] = 0
    boxes = [None, *ndimage.find_objects(inside, max(1, labels - 1))]  # none of the background
    depths_mm = [
        float(depth[box][inside[box] == value].max()) if box else 0.0
        for value, box in enumerate(boxes)
    ]
    return [
        {
            "volume_ml": float(voxels[value] * np.prod(spacing) / 1000),
            "depth_mm": depths_mm[value],
        }
        for value in range(labels)
    ]


def outside_training(
    card: JsonObject, label: np.ndarray, spacing: Spacing, table: LabelTable
) -> str:
    """Describe the labels whose size lies outside the range of a model's training data.

    Args:
        card: The model's card, with the ranges of its training data.
        label: Label map [z, y, x].
        spacing: Voxel size (z, y, x) in mm.
        table: The names of the labels.

    Returns:
        Text such as "ventricles depth_mm 14.2 (saw 3.1 to 9.8); …"; empty if all sizes are inside.
    """
    ranges = card.get("training", {}).get("labels", {})
    if not ranges:
        return ""
    remarks = []
    sizes = label_sizes(label, spacing, len(table.names))
    for name, size_by_measure in zip(table.names, sizes, strict=True):
        for measure, size in size_by_measure.items() if name in ranges else ():
            low, high = ranges[name][measure]
            if not low * (1 - TOLERANCE) <= size <= high * (1 + TOLERANCE):
                remarks.append(f"{name} {measure} {size:.3g} (saw {low:.3g} to {high:.3g})")
    return "; ".join(remarks)
