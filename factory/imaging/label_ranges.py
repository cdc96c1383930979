"""How thick and how large each tissue is, held against what a model's training saw."""

from typing import Any

import edt
import numpy as np

from factory.imaging.boxes import tissue_slices
from factory.storage.subjects.types import LabelTable

TOLERANCE = 0.05
"""A measure within 5 % of the range that training saw still counts as seen: resampling alone
moves volumes and depths by that much."""


def label_sizes(
    label: np.ndarray, spacing: tuple[float, float, float], labels: int
) -> list[dict[str, float]]:
    """Of each value below `labels`, volume_ml, and depth_mm: the largest distance from inside the
    label to its boundary. The background, value 0, counts as having neither."""
    if not label.any():
        return [{"volume_ml": 0.0, "depth_mm": 0.0}] * labels
    inside = np.ascontiguousarray(label[tissue_slices(label)])
    depth = edt.edt(inside, anisotropy=spacing, black_border=True)  # of every label in one go
    voxels = np.bincount(inside.ravel(), minlength=labels)
    voxels[0] = 0
    return [
        {
            "volume_ml": float(voxels[value] * np.prod(spacing) / 1000),
            "depth_mm": float(depth[inside == value].max(initial=0.0)),
        }
        for value in range(labels)
    ]


def outside_training(
    card: dict[str, Any], label: np.ndarray, spacing: tuple[float, float, float], table: LabelTable
) -> str:
    """What a label map holds that the card's training did not: "" or
    "ventricles depth_mm 14.2 (saw 3.1 to 9.8); …"."""
    seen = card.get("training", {}).get("labels", {})
    found = []
    sizes = label_sizes(label, spacing, len(table.names))
    for name, measured in zip(table.names, sizes, strict=True):
        for measure, size in measured.items() if name in seen else ():
            low, high = seen[name][measure]
            if not low * (1 - TOLERANCE) <= size <= high * (1 + TOLERANCE):
                found.append(f"{name} {measure} {size:.3g} (saw {low:.3g} to {high:.3g})")
    return "; ".join(found)
