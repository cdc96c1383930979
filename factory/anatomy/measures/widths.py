"""The largest width of a mask, in mm."""

from collections.abc import Sequence

import edt
import numpy as np

from factory.anatomy.measures.inscribed_sphere import largest_radius_mm
from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing


def inscribed_width_mm(mask: np.ndarray, spacing: Spacing) -> float:
    """Return the diameter of the largest ball that fits in a mask; of a plane, the largest circle.

    It is the measure largest_width_mm of a label. 0 for an empty mask.

    Args:
        mask: bool [z, y, x].
        spacing: mm (z, y, x).
    """
    if not mask.any():
        return 0.0
    inside, size = mask[bounding_box(mask)], list(spacing)
    if mask.shape[0] == 1:
        inside, size = inside[0], size[1:]
    return _width_mm(np.pad(inside, 1), size)


def _width_mm(inside: np.ndarray, size: Sequence[float]) -> float:
    depth_mm = edt.edt(inside, anisotropy=size)
    return 2 * largest_radius_mm(inside, depth_mm, size)
