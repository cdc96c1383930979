"""The numerics of the toy edit."""

from typing import Any

import numpy as np
from scipy import ndimage

from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def hollow(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    wall_mm: float,
    tissue: str = "brainstem",
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    depth = ndimage.distance_transform_edt(label == table.index(tissue), spacing)
    inside = depth > wall_mm
    record = {"voxels": int(inside.sum())}
    return np.where(inside, table.index("ventricles"), label).astype(np.uint8), image, record
