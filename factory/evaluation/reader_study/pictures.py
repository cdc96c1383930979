"""Slices as every reader sees them: real and synthetic with one pixel size, frame and brightness.

Whatever could tell them apart but the image itself is made the same for both: the resolution (each
axis is blurred to that of the coarsest volume), the size of a pixel in mm, the frame and the
position in it, the scale of brightness, and the black outside with a soft edge, whatever grid a
mask was drawn on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.evaluation.reader_study.volumes import Volume
from factory.imaging.intensities import RANGE
from factory.imaging.orientations import AXES
from factory.storage.json_value import JsonObject

LEVELS = 4095
"""The grey value of the upper end of RANGE; pixels are uint16, little endian."""

LEAST_PIXELS = 16
MOST_ANISOTROPIC = 3.0
"""Planes with fewer rows or columns, or with longer pixels, are not shown."""

MARGIN = 1.06
"""How much wider the frame is than the largest slice on black."""

_SD_TO_FWHM = 2.355
_PAD = 3  # pixels of black about a slice, so that its edge is interpolated like the rest


@dataclass(frozen=True)
class Frame:
    """The frame of every picture.

    Attributes:
        side: Width and height in pixels.
        pixel_mm: Width of a pixel, half of the resolution.
        resolution_mm: Full width at half maximum (z, y, x) that all volumes are blurred to.
        on_black: Whether the visible tissue lies on black with its box in the centre of the frame;
            else the field of view is centred.
    """

    side: int
    pixel_mm: float
    resolution_mm: tuple[float, float, float]
    on_black: bool

    def to_json(self) -> JsonObject:
        """Return the keys of a study's file: side, mm, resolution_mm, whole."""
        return {
            "side": self.side,
            "mm": self.pixel_mm,
            "resolution_mm": self.resolution_mm,
            "whole": self.on_black,
        }

    @staticmethod
    def from_json(data: JsonObject) -> "Frame":
        """Read what `to_json` returns."""
        z, y, x = data["resolution_mm"]
        return Frame(data["side"], data["mm"], (z, y, x), data["whole"])


def can_show(volume: Volume, orientation: str) -> bool:
    """Return whether slices of an orientation are large and isotropic enough to be shown."""
    rows, columns = _in_plane_axes(orientation)
    shape, spacing_mm = volume.image.shape, volume.spacing_mm
    ratio = spacing_mm[rows] / spacing_mm[columns]
    is_small = min(shape[rows], shape[columns]) < LEAST_PIXELS
    return not is_small and 1 / MOST_ANISOTROPIC <= ratio <= MOST_ANISOTROPIC


def fit_frame(volumes: Sequence[Volume], orientations: Sequence[str], on_black: bool) -> Frame:
    """Return the frame of a study.

    On black, it is as wide as the largest slice and a margin; else as the smallest slice, so that
    every slice fills it.
    """
    spacings_mm = np.array([volume.spacing_mm for volume in volumes])
    axes = sorted({axis for o in orientations for axis in _in_plane_axes(o)})
    coarsest_mm = spacings_mm[:, axes].max()
    pixel_mm = float(coarsest_mm / 2)
    extents_mm = np.array(
        [[v.image.shape[axis] * v.spacing_mm[axis] for axis in axes] for v in volumes]
    )
    if on_black:
        side = np.ceil(extents_mm.max() * MARGIN / pixel_mm)
    else:
        side = np.floor(extents_mm.min() / pixel_mm + 1e-6)
    z, y, x = (float(s) for s in np.maximum(spacings_mm.max(axis=0), coarsest_mm))
    return Frame(int(side), pixel_mm, (z, y, x), on_black)


def blur_volume(volume: Volume, frame: Frame) -> np.ndarray:
    """Return the image at the frame's resolution, on its own grid: float32 [z, y, x].

    On black, it fades out over the outermost pixels, so that the steps of a mask do not show.
    """
    spacing_mm = np.array(volume.spacing_mm)
    has_extent = np.array(volume.image.shape) > 1
    widths_mm = np.sqrt(np.maximum(np.square(frame.resolution_mm) - spacing_mm**2, 0))
    sd_voxels = widths_mm / _SD_TO_FWHM / spacing_mm * has_extent
    image = _gaussian(volume.image, sd_voxels, frame.on_black)
    if not frame.on_black:
        return image
    share = _gaussian(volume.inside, sd_voxels, True)
    edge = _gaussian(volume.inside, 2 * frame.pixel_mm / spacing_mm * has_extent, True)
    return np.asarray(image / np.maximum(share, 1e-3) * np.clip(2 * edge - 1, 0, 1))


def _gaussian(array: np.ndarray, sd_voxels: np.ndarray, black_outside: bool) -> np.ndarray:
    mode = "constant" if black_outside else "nearest"
    return np.asarray(ndimage.gaussian_filter(array.astype(np.float32), sd_voxels, mode=mode))


def render_slice(
    image: np.ndarray, volume: Volume, orientation: str, index: int, frame: Frame
) -> np.ndarray:
    """Return one slice as a picture: uint16 [side, side], from 0 to LEVELS.

    Up is superior, in axial slices anterior. Left is the patient's right, in sagittal slices
    anterior. A volume of a single slice is shown as it is stored.

    Args:
        image: The volume's image as `blur_volume` returns it.
        volume: The volume.
        orientation: "axial", "coronal" or "sagittal".
        index: The slice's number.
        frame: The frame.
    """
    axis, (rows, columns) = AXES[orientation], _in_plane_axes(orientation)
    plane, inside = image.take(index, axis), volume.inside.take(index, axis)
    if image.shape[0] > 1:
        plane, inside = plane[::-1, ::-1], inside[::-1, ::-1]
    step = frame.pixel_mm / np.array([volume.spacing_mm[rows], volume.spacing_mm[columns]])
    centre = (np.array(plane.shape) - 1) / 2
    if frame.on_black:
        plane, inside = np.pad(plane, _PAD), np.pad(inside, _PAD)
        pixels = np.argwhere(inside)
        centre = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
    start = centre - step * (frame.side - 1) / 2
    shape = (frame.side, frame.side)
    resampled = ndimage.affine_transform(plane, step, start, shape, order=3, mode="nearest")
    low, high = RANGE
    grey = np.rint((np.clip(resampled, low, high) - low) / (high - low) * LEVELS)
    return np.asarray(grey.astype("<u2"))


def _in_plane_axes(orientation: str) -> tuple[int, int]:
    rows, columns = (axis for axis in range(3) if axis != AXES[orientation])
    return rows, columns
