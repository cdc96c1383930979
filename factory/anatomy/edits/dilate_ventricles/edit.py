"""Dilate the lateral ventricles, without the third and the fourth.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from collections.abc import Sequence

import edt
import numpy as np

from factory.anatomy.deformation.repaint import paint_fluid
from factory.anatomy.lateral_ventricles import (
    connected_gain,
    lateral_ventricles,
    soft_tissue_values,
    tissue_value,
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
    into: Sequence[str],
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Grow the lateral ventricles by a ball, into the named tissues only.

    The ball is Euclidean in millimetres, whatever the shape of the voxels. The gain is connected
    to the ventricle through itself and those tissues, so nothing appears beyond other tissues. In
    the image, a voxel that becomes ventricle takes the intensity of the nearest fluid within the
    old ventricle. So does the old, blurred wall beside it, which would otherwise remain as a grey
    ring.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        radius_mm: Radius of the ball; 0 changes nothing.
        into: Names of the tissues that the ventricles may grow into.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8) and image (float32, or None).

    Raises:
        AnatomyError: The radius is negative or infinite, a tissue is unknown or cannot be grown
            into, or the label map has no lateral ventricles.
    """
    if not (math.isfinite(radius_mm) and radius_mm >= 0):
        raise AnatomyError(f"dilate_ventricles: radius_mm is {radius_mm}; it must be 0 or more")
    value = tissue_value("ventricles", table)
    soft = soft_tissue_values(into, table)
    new = label.copy()
    painted = None if image is None else image.astype(np.float32)
    lateral = lateral_ventricles(label, spacing, table)
    if not lateral.any():
        raise AnatomyError("dilate_ventricles: the label map has no lateral ventricles")
    box = box_with_margin(lateral, tuple(int(radius_mm / s) + 1 for s in spacing))
    seed = lateral[box]
    distance_mm = edt.edt(~seed, anisotropy=spacing, black_border=False)
    gained = connected_gain(seed, distance_mm, radius_mm, np.isin(label[box], soft))
    new[box][gained] = value
    if painted is not None:
        paint_fluid(painted[..., *box], seed, gained, spacing)
    return new, painted
