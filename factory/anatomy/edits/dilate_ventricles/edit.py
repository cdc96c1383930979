"""The lateral ventricles: isolated from the third and fourth, and dilated.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math

import edt
import numpy as np

from factory.anatomy.deformation.repaint import paint_fluid
from factory.anatomy.lateral_ventricles import (
    _value,
    gained_within,
    lateral_ventricles,
    soft_tissues,
)
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def dilate_ventricles(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    radius_mm: float,
    into: list[str] | tuple[str, ...],
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Grow the lateral ventricles by a ball of radius_mm, into the named tissues only.

    Euclidean in millimetres, whatever the voxels' shape. What is gained is connected to the
    ventricle through itself and those tissues: nothing appears beyond a tissue that is spared.
    Where an image is given it is carried along: a voxel that becomes ventricle takes the
    intensity of the nearest fluid within the old ventricle, and so does the old, blurred wall
    beside it, which would stay as a grey ring inside.

    Returns new label (uint8) and image (float32, or None); the inputs stay as they are. Radius
    0 changes nothing. Raises AnatomyError for a negative or infinite radius, a tissue that the
    table does not have or that cannot be grown into, and a map with no lateral ventricles.
    """
    if not (math.isfinite(radius_mm) and radius_mm >= 0):
        raise AnatomyError(f"dilate_ventricles: radius_mm is {radius_mm}; it must be 0 or more")
    value = _value("ventricles", table)
    soft = soft_tissues(into, table)
    grown = label.copy()
    painted = None if image is None else image.astype(np.float32)
    lateral = lateral_ventricles(label, spacing, table)
    if not lateral.any():
        raise AnatomyError("dilate_ventricles: the label map has no lateral ventricles")
    box = box_with_margin(lateral, tuple(int(radius_mm / s) + 1 for s in spacing))
    seed = lateral[box]
    distance = edt.edt(~seed, anisotropy=spacing, black_border=False)
    gained = gained_within(seed, distance, radius_mm, np.isin(label[box], soft))
    grown[box][gained] = value
    if painted is not None:
        paint_fluid(painted[box], seed, gained, spacing)
    return grown, painted
