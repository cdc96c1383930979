"""Filters of volumes: smoothing along an axis, and slices thicker than the voxels."""

import math

import torch

from factory.imaging.types import Spacing

FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))
"""The full width at half maximum of a Gaussian, in standard deviations."""

PARTIAL_VOLUME = (0.75, 0.125)
"""The kernel of partial volume: the voxel's weight, and that of each neighbour along an axis.

A label map that is interpolated linearly, painted finer and averaged again over each voxel gives
these weights, whatever the factor. They are also the mean share of the neighbour's tissue in a
voxel at a border that lies anywhere between the two centres.
"""


def average_partial_volume(volume: torch.Tensor) -> torch.Tensor:
    """Return brightness [z, y, x] after it is painted finer and averaged over each voxel."""
    for axis in range(3):
        volume = convolve_axis(volume, PARTIAL_VOLUME, axis)
    return volume


def smooth_volume(volume: torch.Tensor, spacing: Spacing, fwhm_mm: float) -> torch.Tensor:
    """Return a volume [z, y, x] smoothed by a Gaussian.

    Args:
        volume: float32 [z, y, x].
        spacing: mm (z, y, x).
        fwhm_mm: The full width at half maximum; 0 changes nothing.
    """
    for axis in range(3):
        volume = blur_axis(volume, spacing[axis], fwhm_mm, axis)
    return volume


def blur_axis(volume: torch.Tensor, step_mm: float, fwhm_mm: float, axis: int) -> torch.Tensor:
    """Return a volume smoothed along one axis, of voxels `step_mm` apart."""
    sigma = fwhm_mm / FWHM_PER_SIGMA / step_mm
    reach = math.ceil(3 * sigma)
    if volume.shape[axis] == 1 or sigma < 0.1:
        return volume
    half = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(reach + 1)]
    total = half[0] + 2 * sum(half[1:])
    return convolve_axis(volume, tuple(weight / total for weight in half), axis)


def thicken_slices(
    volume: torch.Tensor, spacing: Spacing, thickness_mm: float, axis: int
) -> torch.Tensor:
    """Return a volume as if acquired in thick slices, and interpolated to its voxels again.

    Args:
        volume: float32 [z, y, x].
        spacing: mm (z, y, x).
        thickness_mm: The thickness of the slices, which lie side by side.
        axis: The axis through the slices: 0, 1 or 2 for z, y or x.
    """
    length = volume.shape[axis]
    slices = round(length * spacing[axis] / thickness_mm)
    if slices >= length or slices < 2:
        return volume
    smooth = blur_axis(volume, spacing[axis], thickness_mm, axis)
    shape = list(volume.shape)
    shape[axis] = slices
    thick = _resize(smooth, shape)
    return _resize(thick, list(volume.shape))


def _resize(volume: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Interpolate a volume linearly at the centres of another number of voxels."""
    resized = torch.nn.functional.interpolate(volume[None, None], shape, mode="trilinear")
    return resized[0, 0]


def convolve_axis(volume: torch.Tensor, half: tuple[float, ...], axis: int) -> torch.Tensor:
    """Convolve along an axis with a symmetric kernel; the outermost voxels repeat at the ends.

    Args:
        volume: float32 [z, y, x].
        half: The weights of the voxel itself, of its two neighbours, of the next two, and so on.
        axis: The axis.
    """
    length, reach = volume.shape[axis], len(half) - 1
    first, last = volume.narrow(axis, 0, 1), volume.narrow(axis, length - 1, 1)
    repeats = [reach if other == axis else 1 for other in range(3)]
    padded = torch.cat([first.repeat(repeats), volume, last.repeat(repeats)], axis)
    result = padded.narrow(axis, reach, length) * half[0]
    for offset in range(1, reach + 1):
        for start in (reach - offset, reach + offset):
            result.add_(padded.narrow(axis, start, length), alpha=half[offset])
    return result
