"""Repaint an image where voxels have changed tissue.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

import edt
import numpy as np
from scipy import ndimage

from factory.imaging.boxes import bounding_box, box_with_margin, box_within, widen_box
from factory.imaging.types import Spacing
from factory.storage.subjects.channels import list_channels, map_channels

SMOOTH_MM = 1.5
"""Blur of the copied intensities, so that they leave no streaks."""
WALL_VOXELS = 2.5
"""How deep the blurred wall of a ventricle reaches into an image."""
FIRST_MARGIN_MM = 6.0
"""How far the source of a new intensity is looked for at first."""
DEEP_PERCENTILE = 90
"""Fluid at least this deep, among all of it, is pure."""


def repaint_changed(
    image: np.ndarray | None, old: np.ndarray, new: np.ndarray, spacing: Spacing
) -> np.ndarray | None:
    """Give each changed voxel the intensity of the nearest unchanged voxel of its new tissue.

    The nearest voxel that does not touch the tissue's boundary is preferred, since boundaries are
    blurred. Where the label map had none of the new tissue before, the image stays as it was.

    Args:
        image: [z, y, x] or [channel, z, y, x], or None.
        old: Label map before the edit.
        new: Label map after it.
        spacing: mm (z, y, x).

    Returns:
        A new image, float32, or None if there is none.
    """
    if image is None:
        return None
    return map_channels(lambda channel: _repaint_channel(channel, old, new, spacing), image)


def _repaint_channel(
    image: np.ndarray, old: np.ndarray, new: np.ndarray, spacing: Spacing
) -> np.ndarray:
    """Repaint an image [z, y, x] as repaint_changed does."""
    painted = image.astype(np.float32)
    changed = old != new
    if not changed.any():
        return painted
    box = box_with_margin((old > 0) | (new > 0), (1, 1, 1))
    source, tissue, moved = painted[box].copy(), new[box], changed[box]
    for value in np.unique(tissue[moved]):
        _paint_from_nearest(painted[box], source, tissue == value, moved, spacing)
    return painted


def _paint_from_nearest(
    painted: np.ndarray,
    source: np.ndarray,
    tissue: np.ndarray,
    changed: np.ndarray,
    spacing: Spacing,
) -> None:
    """Paint, in place, what a tissue gained, from the nearest voxels that it had before.

    Only a box around the gain is looked at, which is widened until nothing beyond it can be nearer.

    Args:
        painted: float32 [z, y, x], changed in place.
        source: The image before.
        tissue: Where the tissue is, bool [z, y, x].
        changed: Which voxels changed their label, bool [z, y, x].
        spacing: mm (z, y, x).
    """
    gained, unchanged = tissue & changed, tissue & ~changed
    if not unchanged.any():
        return
    shape = tissue.shape
    # The blur at a gained voxel needs its neighbours' nearest voxels too.
    blurred = widen_box(
        bounding_box(gained), [int(4 * SMOOTH_MM / s + 0.5) for s in spacing], shape
    )
    margin_mm = FIRST_MARGIN_MM
    while True:
        box = widen_box(blurred, [int(margin_mm / s) + 1 for s in spacing], shape)
        rim = widen_box(box, (1, 1, 1), shape)
        is_all = box == widen_box(box, shape, shape)
        clear = ndimage.binary_erosion(unchanged[rim])[box_within(box, rim)]
        if clear.any() or is_all:
            distance_mm, nearest = ndimage.distance_transform_edt(
                ~(clear if clear.any() else unchanged), sampling=spacing, return_indices=True
            )
            core = box_within(blurred, box)
            if is_all or distance_mm[core].max() <= margin_mm:
                break
        margin_mm *= 2
    copied = _blur(source[box][tuple(nearest[(slice(None), *core)])], spacing)
    paint = gained[blurred]
    painted[blurred][paint] = copied[paint]


def paint_fluid(
    image: np.ndarray, ventricle: np.ndarray, gained: np.ndarray, spacing: Spacing
) -> None:
    """Paint, in place, what a ventricle gained and its old wall there like its own fluid.

    Args:
        image: float32 [z, y, x] or [channel, z, y, x], changed in place.
        ventricle: The ventricle before, bool [z, y, x].
        gained: What it gained, bool [z, y, x].
        spacing: mm (z, y, x).
    """
    if not gained.any():
        return
    wall_mm = WALL_VOXELS * max(spacing)
    depth = edt.edt(ventricle, anisotropy=spacing, black_border=False)
    # A thin horn has no voxels clear of the wall: its middle is used instead.
    middle = (depth == ndimage.maximum_filter(depth, 3)) & ventricle
    fluid = (depth > wall_mm) | middle
    beside = edt.edt(~gained, anisotropy=spacing, black_border=False) <= wall_mm
    paint = gained | (ventricle & ~fluid & beside)
    for channel in list_channels(image):
        channel[paint] = _nearest_intensity(channel, fluid, spacing)[paint]


def fill_with_fluid(
    image: np.ndarray, fluid: np.ndarray, gap: np.ndarray, spacing: Spacing
) -> None:
    """Paint, in place, a gap and the old wall beside it like the nearest deep fluid, if any.

    Only deep fluid is copied, since thin sheets of it are blurred with what lies on either side.
    """
    if not (gap.any() and fluid.any()):
        return
    depth = edt.edt(fluid, anisotropy=spacing, black_border=False)
    pure = depth >= np.percentile(depth[fluid], DEEP_PERCENTILE)
    beside = edt.edt(~gap, anisotropy=spacing, black_border=False) <= WALL_VOXELS * max(spacing)
    paint = gap | (fluid & beside)
    for channel in list_channels(image):
        channel[paint] = _nearest_intensity(channel, pure, spacing)[paint]


def _nearest_intensity(image: np.ndarray, source: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return at each voxel the intensity of the nearest source voxel, slightly blurred."""
    nearest = ndimage.distance_transform_edt(
        ~source, sampling=spacing, return_distances=False, return_indices=True
    )
    return _blur(image[tuple(nearest)], spacing)


def _blur(image: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return an image after a Gaussian blur of SMOOTH_MM."""
    blurred: np.ndarray = ndimage.gaussian_filter(image, [SMOOTH_MM / s for s in spacing])
    return blurred


def smooth_distance_mm(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the distance from a mask's outermost voxels, mm, negative inside, slightly blurred.

    Plain distances between voxels come in steps of 1, 1.4 and 1.7 voxels, and so would the width of
    what grows by them. The blur spreads the steps, so that walls move voxel by voxel; a plane stays
    in place.
    """
    # The distance of every voxel to the other side, inside and outside in one transform.
    to_other = edt.edt(np.where(mask, np.uint8(2), np.uint8(1)), anisotropy=spacing)
    signed = np.where(mask, np.minimum(min(spacing) - to_other, 0), to_other)
    blurred: np.ndarray = ndimage.gaussian_filter(signed, 1.0)
    return blurred
