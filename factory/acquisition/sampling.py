"""A volume seen through slices: each slice its own pose and a profile through its plane."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from factory.acquisition.geometry import StackGrid
from factory.acquisition.motion import SliceMotion
from factory.imaging.boxes import tissue_slices

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian, in its standard deviations."""

REACH = 1.2
"""Half of what is sampled of a Gaussian profile, in its full widths at half maximum."""


def profile_points(profile: str, thickness: float, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets through the slice (mm) and weights that sum to 1.

    At least five; no further apart than the volume's voxels, for a box half of that, as its edges
    would ripple. gaussian: full width at half maximum = thickness. box: even over the thickness.
    A thickness of 0 is one point.
    """
    if thickness == 0:
        return np.zeros(1), np.ones(1)
    if profile == "box":
        count = max(5, int(np.ceil(2 * thickness / voxel)))
        return ((np.arange(count) + 0.5) / count - 0.5) * thickness, np.full(count, 1 / count)
    half = max(2, int(np.ceil(REACH * thickness / voxel)))
    offsets = np.linspace(-REACH, REACH, 2 * half + 1) * thickness
    weights = np.exp(-0.5 * (offsets * FWHM / thickness) ** 2)
    return offsets, weights / weights.sum()


def sample_slices(
    image: np.ndarray,
    label: np.ndarray,
    spacing: tuple[float, float, float],
    raster: StackGrid,
    motion: SliceMotion,
    profile: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Image float32 and label uint8 [slice, row, column] of a volume [z, y, x] on spacing (mm).

    The image is low-passed in the plane where that loses resolution, and read linearly. The label
    is what most of the profile's weight falls on (nearest voxels), in the pose the slice saw: it
    follows the anatomy. The volume is 0 beyond its edges.
    """
    voxel = np.array([spacing[axis] for axis in raster.order])
    label = np.ascontiguousarray(label.transpose(raster.order))
    image = image.transpose(raster.order).astype(np.float32)
    width = np.sqrt(np.maximum((np.array(raster.spacing) / voxel) ** 2 - 1, 0)) / FWHM
    image = ndimage.gaussian_filter(image, (0, *width[1:]), mode="nearest")
    centre = np.array(ndimage.center_of_mass(label > 0)) * voxel
    offsets, weights = profile_points(profile, raster.thickness, voxel[0])
    turns = Rotation.from_rotvec(motion.turn_degrees, degrees=True)
    seen = np.zeros(raster.shape, np.float32)
    labels = np.zeros(raster.shape, np.uint8)
    for index, window in enumerate(_windows(image, label, voxel, centre, raster, motion, offsets)):
        if window is None:
            continue
        turn = turns[index].as_matrix()
        # The head is at turn · (q - centre) + centre + shift: the slice sees the q that is here.
        start = np.array([raster.lines[0][index], 0, 0]) - centre - motion.shift_mm[index]
        lines = (offsets, raster.lines[1][window[0]], raster.lines[2][window[1]])
        along = [axis[:, None] * line for axis, line in zip(turn, lines, strict=True)]
        points = (
            (turn.T @ start + centre)[:, None, None, None]
            + along[0][:, :, None, None]
            + along[1][:, None, :, None]
            + along[2][:, None, None, :]
        ) / voxel[:, None, None, None]
        values = ndimage.map_coordinates(image, points, order=1, mode="grid-constant")
        seen[index][window] = np.tensordot(weights, values, 1)
        nearest = ndimage.map_coordinates(label, points, order=0, mode="grid-constant")
        labels[index][window] = _majority(nearest, weights)
    return seen, labels


def _windows(
    image: np.ndarray,
    label: np.ndarray,
    voxel: np.ndarray,
    centre: np.ndarray,
    raster: StackGrid,
    motion: SliceMotion,
    offsets: np.ndarray,
) -> Iterator[tuple[slice, slice] | None]:
    """The rows and columns of each slice that can meet anything but zeros; None where none can.

    What is there lies in a box, and motion takes no point of it further than the shift and the
    turn times the box's greatest distance from the centre.
    """
    box = tissue_slices((image != 0) | (label != 0))
    low = np.array([side.start - 1 for side in box]) * voxel
    high = np.array([side.stop for side in box]) * voxel
    radius = np.linalg.norm(np.maximum(centre - low, high - centre))
    shift = np.linalg.norm(motion.shift_mm, axis=1)
    reaches = shift + np.radians(np.linalg.norm(motion.turn_degrees, axis=1)) * radius
    for position, reach in zip(raster.lines[0], reaches, strict=True):
        first, last = low - reach, high + reach
        if position + offsets[-1] < first[0] or position + offsets[0] > last[0]:
            yield None
            continue
        rows, columns = (
            slice(*np.searchsorted(raster.lines[axis], (first[axis], last[axis])))
            for axis in (1, 2)
        )
        yield rows, columns


def _majority(label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The value that most weight falls on, over the first axis of [point, row, column]."""
    kinds = int(label.max(initial=0)) + 1
    place = np.arange(label[0].size) * kinds
    votes = np.bincount(
        (place + label.reshape(len(weights), -1)).ravel(),
        np.repeat(weights, place.size),
        place.size * kinds,
    )
    return votes.reshape(*label.shape[1:], kinds).argmax(-1)
