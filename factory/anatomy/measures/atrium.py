"""Width of the lateral ventricles at the atrium, in mm, as near as labels allow to ISUOG's."""

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.anatomy.memoize import memoize_last_label
from factory.anatomy.regions import CEREBRUM, midline_x, where
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

ATRIAL_LEVEL = (0.39, 0.47)
ATRIAL_STRETCH = (0.27, 0.42)
SUBVOXELS = 4


def atrial_width_mm(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> dict[str, float | None]:
    """Width of the atrium of each lateral ventricle, {"left": mm, "right": mm}.

    ISUOG measures in the axial plane of the thalami, across the atrium at the glomus of the
    choroid plexus, perpendicular to the ventricle and from inner wall to inner wall. Labels show
    neither glomus nor sulcus, so the place is taken from the cerebrum's box:
    - the level is the axial slices from 0.39 to 0.47 of the cerebrum's height, the upper half of
      the thalami, and the atrium what lies from 0.27 to 0.42 of its length from behind, the
      stretch just behind them (in 15 atlas brains and five phantoms, 20–36 weeks, the deep grey
      matter's middle lies at 0.39 ± 0.03 of the height, its posterior end at 0.41 ± 0.04 of the
      length). Not the deep grey matter itself: an edit may grow into it, and the level would
      slide away under the measurement, while the cerebrum's box stays;
    - the width in a slice is the diameter of the largest circle centred there that fits in the
      ventricle's half: in a tube the chord perpendicular to its long axis, however the head is
      turned; in steps of a quarter to half a voxel;
    - the width is the median over the slices.
    A ventricle grown by r mm is wider by about 2 r, and never narrower. None where the side has
    no ventricle at that place. Raises AnatomyError for a table without ventricles.
    """
    return lateral_and_widths(crop_with_rim(label), spacing, table)[1]


@memoize_last_label
def lateral_and_widths(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> tuple[np.ndarray, dict[str, float | None]]:
    """The lateral ventricles of a brain's box (see crop_with_rim), bool, and their widths."""
    lateral = lateral_ventricles(label, spacing, table)
    if not lateral.any():
        return lateral, {"left": None, "right": None}
    cerebrum = where(label, table, CEREBRUM)
    level = _part(np.any(cerebrum, axis=(1, 2)), ATRIAL_LEVEL)
    window = _part(np.any(cerebrum, axis=(0, 2)), ATRIAL_STRETCH)
    left = np.arange(label.shape[2]) < midline_x(label)[level, :, None]
    sides = {"left": lateral[level] & left, "right": lateral[level] & ~left}
    return lateral, {
        side: _width(mask, window, (spacing[1], spacing[2])) if mask[:, window].any() else None
        for side, mask in sides.items()
    }


def _part(profile: np.ndarray, fractions: tuple[float, float]) -> slice:
    """The voxels between two fractions of the extent of a profile, one at least."""
    where = np.nonzero(profile)[0]
    length = where[-1] - where[0] + 1
    first, last = (round(where[0] + f * length) for f in fractions)
    return slice(first, max(last, first + 1))


def _width(mask: np.ndarray, window: slice, spacing: tuple[float, float]) -> float:
    """Median over slices of the largest circle in mask [z, y, x] centred in the window of y."""
    ys, xs = np.nonzero(mask.any(0))
    y0, x0 = max(0, ys.min() - 2), max(0, xs.min() - 2)
    box = mask[:, y0 : ys.max() + 3, x0 : xs.max() + 3]
    rows = slice(max(0, window.start - y0) * SUBVOXELS, max(0, window.stop - y0) * SUBVOXELS)
    fine_spacing = (spacing[0] / SUBVOXELS, spacing[1] / SUBVOXELS)
    diameters = []
    for section in box:
        # A slight blur takes the voxels' stairs off slanted walls; flat walls stay in place.
        smooth = ndimage.gaussian_filter(section.astype(np.float32), 0.7)
        fine = ndimage.zoom(smooth, SUBVOXELS, order=1, grid_mode=True, mode="nearest") > 0.5
        radius = edt.edt(fine, anisotropy=fine_spacing, black_border=False)[rows]
        diameters.append(2 * float(radius.max(initial=0.0)))
    return float(np.median(diameters))
