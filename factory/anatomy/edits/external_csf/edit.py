"""Widen the subarachnoid space, as in benign external hydrocephalus; the head grows with it.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math

import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed, smooth_distance_mm
from factory.anatomy.edits.operator import EditResult
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "external_csf"
MAX_MM = 15.0
MARGIN_VOXELS = 5
"""Margin around the grown head: the reach of the distance's blur, and one voxel more."""


def external_csf(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    wider_mm: float,
    image: np.ndarray | None = None,
) -> EditResult:
    """Turn the background within wider_mm of the head into external CSF.

    The head grows outwards, as in benign enlargement of the subarachnoid space. No brain is lost.
    The inside of the skull, where the labels end, moves by the same distance everywhere, so it
    keeps the shape of a head, and its clefts close. The lower end (the cord) is covered by CSF as
    well.

    Every labelled voxel keeps its label. A larger width adds what a smaller one does, and more; 0
    changes nothing.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        wider_mm: By how much the space widens, 0 to 15 mm.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record of mm and ml.

    Raises:
        AnatomyError: The table has no external_csf, the width is out of range, or the head would
            leave the array.
    """
    if not (math.isfinite(wider_mm) and 0 <= wider_mm <= MAX_MM):
        raise AnatomyError(f"{NAME}: wider_mm is {wider_mm}; allowed are 0 to {MAX_MM:g} mm")
    if NAME not in table.names:
        raise AnatomyError(f"{NAME}: no external_csf in the labels: {', '.join(table.names)}")
    value = table.index(NAME)
    box = box_with_margin(label > 0, tuple(int(wider_mm / s) + MARGIN_VOXELS for s in spacing))
    old = label[box]
    new = label.copy()
    if wider_mm > 0:
        gained = (old == 0) & (smooth_distance_mm(old > 0, spacing) <= wider_mm)
        new[box][gained] = value
    _check_room(label, new, wider_mm)
    voxel_ml = float(np.prod(spacing)) / 1000
    before, after = ((a == value).sum() * voxel_ml for a in (label, new))
    record = {
        "requested_wider_mm": float(wider_mm),
        "before_volume_ml": float(before),
        "gained_volume_ml": float(after - before),
    }
    return new, repaint_changed(image, label, new, spacing), record


def _check_room(old: np.ndarray, new: np.ndarray, wider_mm: float) -> None:
    """Raise AnatomyError if the head reaches more of the array's sides than before."""
    for axis in range(3):
        ends = [0, -1]
        if (new.take(ends, axis) > old.take(ends, axis)).any():
            raise AnatomyError(
                f"{NAME}: wider_mm is {wider_mm:g}; the head would leave the array; "
                "give it a wider shape"
            )
