"""A slice as every reader sees it: real and synthetic of one pixel size, one frame, one brightness.

What could tell them apart but is not the image itself is made the same for both: resolution (each
axis is blurred to that of the coarsest volume), pixels in mm, the frame and the place in it, the
brightness scale, and outside black with a soft edge, whatever grid a mask was drawn on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.evaluation.reader_study.volumes import Volume
from factory.imaging.intensities import RANGE
from factory.imaging.orientations import AXES

LEVELS = 4095
"""The grey value of RANGE's upper end; pixels are uint16, little endian."""

LEAST_PIXELS = 16
MOST_ANISOTROPIC = 3.0
"""Planes with fewer rows or columns, or longer pixels, are not shown."""

MARGIN = 1.06
"""How much wider the frame is than the largest slice on black."""

_TO_FWHM = 2.355
_PAD = 3  # pixels of black about a slice, so that its edge is interpolated as the rest is


@dataclass(frozen=True)
class Frame:
    """side: pixels. mm: a pixel, half of the resolution. resolution_mm: full width at half maximum
    (z, y, x) that all are brought to. whole: what is to be seen lies on black, and its box is
    centred; else the field is."""

    side: int
    mm: float
    resolution_mm: tuple[float, float, float]
    whole: bool


def offers(volume: Volume, orientation: str) -> bool:
    """Whether a volume has slices of this orientation that are fit to be seen."""
    rows, columns = _in_plane(orientation)
    shape, spacing = volume.image.shape, volume.spacing
    ratio = spacing[rows] / spacing[columns]
    small = min(shape[rows], shape[columns]) < LEAST_PIXELS
    return not small and 1 / MOST_ANISOTROPIC <= ratio <= MOST_ANISOTROPIC


def frame_for(volumes: Sequence[Volume], orientations: Sequence[str], whole: bool) -> Frame:
    """The frame that fits all slices; or that all slices fill, where they do not lie on black."""
    spacings = np.array([volume.spacing for volume in volumes])
    axes = sorted({axis for o in orientations for axis in _in_plane(o)})
    coarsest = spacings[:, axes].max()
    mm = float(coarsest / 2)
    extents = np.array([[v.image.shape[axis] * v.spacing[axis] for axis in axes] for v in volumes])
    side = np.ceil(extents.max() * MARGIN / mm) if whole else np.floor(extents.min() / mm + 1e-6)
    z, y, x = (float(s) for s in np.maximum(spacings.max(axis=0), coarsest))
    return Frame(int(side), mm, (z, y, x), whole)


def blurred(volume: Volume, frame: Frame) -> np.ndarray:
    """The image at the frame's resolution, on its own grid: float32 [z, y, x]. On black, it fades
    out over the outermost pixels, so that the steps of a mask do not show."""
    spacing = np.array(volume.spacing)
    several = np.array(volume.image.shape) > 1
    width = np.sqrt(np.maximum(np.square(frame.resolution_mm) - spacing**2, 0)) / _TO_FWHM / spacing
    image = _gaussian(volume.image, width * several, frame.whole)
    if not frame.whole:
        return image
    share = _gaussian(volume.inside, width * several, True)
    soft = _gaussian(volume.inside, 2 * frame.mm / spacing * several, True)
    return image / np.maximum(share, 1e-3) * np.clip(2 * soft - 1, 0, 1)


def _gaussian(array: np.ndarray, width: np.ndarray, black_outside: bool) -> np.ndarray:
    mode = "constant" if black_outside else "nearest"
    return ndimage.gaussian_filter(array.astype(np.float32), width, mode=mode)


def picture(
    image: np.ndarray, volume: Volume, orientation: str, index: int, frame: Frame
) -> np.ndarray:
    """One slice of a blurred image: uint16 [side, side], 0 to LEVELS.

    Superior is up, or anterior in axial slices; the patient's right is on the picture's left, in
    sagittal slices anterior is. A single slice is shown as it is stored.
    """
    axis, (rows, columns) = AXES[orientation], _in_plane(orientation)
    plane, inside = image.take(index, axis), volume.inside.take(index, axis)
    if image.shape[0] > 1:
        plane, inside = plane[::-1, ::-1], inside[::-1, ::-1]
    step = frame.mm / np.array([volume.spacing[rows], volume.spacing[columns]])
    middle = (np.array(plane.shape) - 1) / 2
    if frame.whole:
        plane, inside = np.pad(plane, _PAD), np.pad(inside, _PAD)
        found = np.argwhere(inside)
        middle = (found.min(axis=0) + found.max(axis=0)) / 2
    start = middle - step * (frame.side - 1) / 2
    size = (frame.side, frame.side)
    shown = ndimage.affine_transform(plane, step, start, size, order=3, mode="nearest")
    low, high = RANGE
    return np.rint((np.clip(shown, low, high) - low) / (high - low) * LEVELS).astype("<u2")


def _in_plane(orientation: str) -> tuple[int, int]:
    rows, columns = (axis for axis in range(3) if axis != AXES[orientation])
    return rows, columns
