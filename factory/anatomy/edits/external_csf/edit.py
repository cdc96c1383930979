"""The subarachnoid space widened, as in benign external hydrocephalus: the head grows with it.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from typing import Any

import numpy as np

from factory.anatomy.deformation.repaint import repainted, smooth_distance
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "external_csf"
MOST_MM = 15.0
MARGIN_VOXELS = 5
"""About the head, beyond what it grows by: as far as the distance's blur reaches, and one more."""


def external_csf(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    wider_mm: float,
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Background within wider_mm of the head becomes external CSF.

    Outwards, as the head grows in benign enlargement of the subarachnoid space: no brain is lost,
    and the skull's inside, which is where the labels end, moves by the same distance everywhere,
    so that its shape stays that of a head and its clefts close. What is cut off below (the cord)
    is closed by CSF as well.

    Invariants: every voxel that was labelled keeps its label; wider is more; 0 changes nothing.
    Returns new label (uint8), image (float32, or None) and a record of ml and of mm. Inputs stay
    as they are. Raises AnatomyError for a table without external_csf, a width out of range, and
    a head that would leave the array.
    """
    if not (math.isfinite(wider_mm) and 0 <= wider_mm <= MOST_MM):
        raise AnatomyError(f"{NAME}: wider_mm is {wider_mm}; allowed are 0 to {MOST_MM:g} mm")
    if NAME not in table.names:
        raise AnatomyError(f"{NAME}: no external_csf in the labels: {', '.join(table.names)}")
    value = table.index(NAME)
    box = box_with_margin(label > 0, tuple(int(wider_mm / s) + MARGIN_VOXELS for s in spacing))
    old = label[box]
    new = label.copy()
    if wider_mm > 0:
        gained = (old == 0) & (smooth_distance(old > 0, spacing) <= wider_mm)
        new[box][gained] = value
    _check_room(label, new, wider_mm)
    ml = float(np.prod(spacing)) / 1000
    before, after = ((found == value).sum() * ml for found in (label, new))
    record = {
        "requested_wider_mm": float(wider_mm),
        "before_volume_ml": float(before),
        "gained_volume_ml": float(after - before),
    }
    return new, repainted(image, label, new, spacing), record


def _check_room(old: np.ndarray, new: np.ndarray, wider_mm: float) -> None:
    for axis in range(3):
        ends = [0, -1]
        if (new.take(ends, axis) > old.take(ends, axis)).any():
            raise AnatomyError(
                f"{NAME}: wider_mm is {wider_mm:g}; the head would leave the array, "
                "which wants a wider shape"
            )
