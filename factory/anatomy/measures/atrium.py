"""Width of the lateral ventricles at the atrium, in mm, as close to ISUOG as labels allow."""

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.anatomy.memoize import memoize_last_label
from factory.anatomy.regions import CEREBRUM, midline_x, tissue_mask
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

ATRIAL_LEVEL = (0.39, 0.47)
"""Axial slices of the atrium, as shares of the cerebrum's height."""
ATRIAL_STRETCH = (0.27, 0.42)
"""Where the atrium lies within them, as shares of the cerebrum's length from behind."""
SUBVOXELS = 4
"""Parts into which a voxel's side is divided to find the largest circle."""


def atrial_width_mm(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> dict[str, float | None]:
    """Measure the width of the atrium of each lateral ventricle.

    ISUOG measures in the axial plane of the thalami, across the atrium at the glomus of the
    choroid plexus, perpendicular to the ventricle and from inner wall to inner wall. Labels show
    neither glomus nor sulcus, so the place is taken from the cerebrum's box:

    - The level is the axial slices from 0.39 to 0.47 of the cerebrum's height, which is the upper
      half of the thalami. The atrium lies from 0.27 to 0.42 of the cerebrum's length from behind,
      just behind the thalami. (In 15 atlas brains and five phantoms, 20–36 weeks, the middle of
      the deep grey matter lies at 0.39 ± 0.03 of the height, its posterior end at 0.41 ± 0.04 of
      the length.) The deep grey matter itself does not define the level: an edit may grow into it,
      which would move the level, while the cerebrum's box stays.
    - The width in a slice is the diameter of the largest circle, centred in that region, that fits
      in the ventricle's half. In a tube it is the chord perpendicular to the long axis, whichever
      way the head is turned. It comes in steps of a quarter to half a voxel.
    - The width is the median over the slices.

    A ventricle grown by r mm is wider by about 2 r, and never narrower.

    Returns:
        {"left": mm, "right": mm}; None for a side that has no ventricle at that place.

    Raises:
        AnatomyError: The table has no ventricles.
    """
    return lateral_ventricles_and_widths(crop_with_rim(label), spacing, table)[1]


@memoize_last_label
def lateral_ventricles_and_widths(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> tuple[np.ndarray, dict[str, float | None]]:
    """Return the lateral ventricles, bool [z, y, x], and their widths, of a cropped label map.

    `label` must come from `crop_with_rim`.
    """
    lateral = lateral_ventricles(label, spacing, table)
    if not lateral.any():
        return lateral, {"left": None, "right": None}
    cerebrum = tissue_mask(label, table, CEREBRUM)
    level = _slice_between(np.any(cerebrum, axis=(1, 2)), ATRIAL_LEVEL)
    window = _slice_between(np.any(cerebrum, axis=(0, 2)), ATRIAL_STRETCH)
    left = np.arange(label.shape[2]) < midline_x(label)[level, :, None]
    sides = {"left": lateral[level] & left, "right": lateral[level] & ~left}
    return lateral, {
        side: _median_width_mm(mask, window, (spacing[1], spacing[2]))
        if mask[:, window].any()
        else None
        for side, mask in sides.items()
    }


def _slice_between(profile: np.ndarray, fractions: tuple[float, float]) -> slice:
    """Return the voxels between two shares of a profile's extent, at least one."""
    inside = np.nonzero(profile)[0]
    length = inside[-1] - inside[0] + 1
    first, last = (round(inside[0] + f * length) for f in fractions)
    return slice(first, max(last, first + 1))


def _median_width_mm(mask: np.ndarray, window: slice, spacing: tuple[float, float]) -> float:
    """Return the median over slices of the largest circle in mask [z, y, x], mm.

    Circles are centred in the window of y. spacing: mm (y, x).
    """
    ys, xs = np.nonzero(mask.any(0))
    y0, x0 = max(0, ys.min() - 2), max(0, xs.min() - 2)
    box = mask[:, y0 : ys.max() + 3, x0 : xs.max() + 3]
    rows = slice(max(0, window.start - y0) * SUBVOXELS, max(0, window.stop - y0) * SUBVOXELS)
    fine_spacing = (spacing[0] / SUBVOXELS, spacing[1] / SUBVOXELS)
    diameters = []
    for section in box:
        # A slight blur removes the staircase of slanted walls; flat walls stay in place.
        smooth = ndimage.gaussian_filter(section.astype(np.float32), 0.7)
        fine = ndimage.zoom(smooth, SUBVOXELS, order=1, grid_mode=True, mode="nearest") > 0.5
        radius = edt.edt(fine, anisotropy=fine_spacing, black_border=False)[rows]
        diameters.append(2 * float(radius.max(initial=0.0)))
    return float(np.median(diameters))
