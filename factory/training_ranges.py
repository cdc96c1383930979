"""How thick and how large each tissue is, held against what a model's training saw."""

from typing import Any

import edt
import numpy as np

from factory.orientations import brain_box
from storage.subject import LabelTable

TOLERANCE = 0.05
"""A measure within 5 % of the range that training saw still counts as seen: resampling alone
moves volumes and depths by that much."""


def label_size(
    label: np.ndarray, value: int, spacing: tuple[float, float, float]
) -> dict[str, float]:
    """volume_ml, and depth_mm: the largest distance from inside the label to its boundary."""
    mask = label == value
    if not mask.any():
        return {"volume_ml": 0.0, "depth_mm": 0.0}
    inside = np.ascontiguousarray(mask[brain_box(mask)])
    depth = edt.edt(inside, anisotropy=spacing, black_border=True).max()
    return {"volume_ml": float(mask.sum() * np.prod(spacing) / 1000), "depth_mm": float(depth)}


def outside_training(
    card: dict[str, Any], label: np.ndarray, spacing: tuple[float, float, float], table: LabelTable
) -> str:
    """What a label map holds that the card's training did not: "" or
    "ventricles depth_mm 14.2 (saw 3.1 to 9.8); …"."""
    seen = card.get("training", {}).get("labels", {})
    found = []
    for value, name in enumerate(table.names):
        for measure, size in label_size(label, value, spacing).items() if name in seen else ():
            low, high = seen[name][measure]
            if not low * (1 - TOLERANCE) <= size <= high * (1 + TOLERANCE):
                found.append(f"{name} {measure} {size:.3g} (saw {low:.3g} to {high:.3g})")
    return "; ".join(found)
