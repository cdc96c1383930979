"""Sample a volume in slices: each slice has its own pose and a profile through its plane."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from factory.acquisition.geometry import StackGrid
from factory.acquisition.motion import SliceMotion
from factory.imaging.boxes import bounding_box
from factory.storage.subjects.channels import list_channels

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian, in its standard deviations."""

REACH = 1.2
"""A Gaussian profile is sampled from -REACH to REACH, in full widths at half maximum."""


def profile_points(profile: str, thickness: float, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets through the slice in mm, and their weights, which sum to 1.

    There are at least five points. Their distance is at most one voxel of the volume, and half of
    that for a box, because its edges would ripple otherwise. A thickness of 0 gives one point.

    Args:
        profile: "gaussian", whose full width at half maximum is the thickness, or "box", which is
            constant over the thickness.
        thickness: mm.
        voxel: Size of the volume's voxel through the slice, mm.
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
    stack_grid: StackGrid,
    motion: SliceMotion,
    profile: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the slices of a stack.

    Where the stack's plane is coarser than the volume, the image is low-pass filtered first. It is
    interpolated linearly. The label is the value that most of the profile's weight falls on
    (nearest voxels), in the pose that the slice saw, so it follows the anatomy. The volume is 0
    beyond its edges.

    Args:
        image: float32 [z, y, x] or [channel, z, y, x].
        label: uint8 or uint16 of the same shape.
        spacing: The volume's, mm (z, y, x).
        stack_grid: The positions of the slices.
        motion: The pose of the head at each slice.
        profile: "gaussian" or "box"; see `profile_points`.

    Returns:
        Image float32 and label of its type, both [slice, row, column].
    """
    voxel = np.array([spacing[axis] for axis in stack_grid.order])
    label = np.ascontiguousarray(label.transpose(stack_grid.order))
    width = np.sqrt(np.maximum((np.array(stack_grid.spacing) / voxel) ** 2 - 1, 0)) / FWHM
    channels = [
        ndimage.gaussian_filter(
            channel.transpose(stack_grid.order).astype(np.float32), (0, *width[1:]), mode="nearest"
        )
        for channel in list_channels(image)
    ]
    centre = np.array(ndimage.center_of_mass(label > 0)) * voxel
    offsets, weights = profile_points(profile, stack_grid.thickness, voxel[0])
    turns = Rotation.from_rotvec(motion.turn_degrees, degrees=True)
    sampled = np.zeros((len(channels), *stack_grid.shape), np.float32)
    is_empty = np.logical_and.reduce([label == 0, *(channel == 0 for channel in channels)])
    labels = np.zeros(stack_grid.shape, label.dtype)
    for index, window in enumerate(
        _find_windows(~is_empty, voxel, centre, stack_grid, motion, offsets)
    ):
        if window is None:
            continue
        turn = turns[index].as_matrix()
        # A point q of the head is moved to turn · (q - centre) + centre + shift. Here this is
        # inverted: which q lies at each point of the slice?
        start = np.array([stack_grid.lines[0][index], 0, 0]) - centre - motion.shift_mm[index]
        lines = (offsets, stack_grid.lines[1][window[0]], stack_grid.lines[2][window[1]])
        along = [axis[:, None] * line for axis, line in zip(turn, lines, strict=True)]
        points = (
            (turn.T @ start + centre)[:, None, None, None]
            + along[0][:, :, None, None]
            + along[1][:, None, :, None]
            + along[2][:, None, None, :]
        ) / voxel[:, None, None, None]
        for channel, slices in zip(channels, sampled, strict=True):
            values = ndimage.map_coordinates(channel, points, order=1, mode="grid-constant")
            slices[index][window] = np.tensordot(weights, values, 1)
        nearest = ndimage.map_coordinates(label, points, order=0, mode="grid-constant")
        labels[index][window] = _majority_label(nearest, weights)
    return sampled if image.ndim > 3 else sampled[0], labels


def _find_windows(
    filled: np.ndarray,
    voxel: np.ndarray,
    centre: np.ndarray,
    stack_grid: StackGrid,
    motion: SliceMotion,
    offsets: np.ndarray,
) -> Iterator[tuple[slice, slice] | None]:
    """Yield for each slice the rows and columns that can meet non-zero voxels; None if none can.

    The non-zero voxels lie in a box. Motion moves no point of the box further than the length of
    the shift plus the angle of the turn times the greatest distance from the centre.
    """
    box = bounding_box(filled)
    low = np.array([side.start - 1 for side in box]) * voxel
    high = np.array([side.stop for side in box]) * voxel
    radius = np.linalg.norm(np.maximum(centre - low, high - centre))
    shift = np.linalg.norm(motion.shift_mm, axis=1)
    reaches = shift + np.radians(np.linalg.norm(motion.turn_degrees, axis=1)) * radius
    for position, reach in zip(stack_grid.lines[0], reaches, strict=True):
        first, last = low - reach, high + reach
        if position + offsets[-1] < first[0] or position + offsets[0] > last[0]:
            yield None
            continue
        rows, columns = (
            slice(*np.searchsorted(stack_grid.lines[axis], (first[axis], last[axis])))
            for axis in (1, 2)
        )
        yield rows, columns


def _majority_label(label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the value with most weight over the first axis of label [point, row, column]."""
    values = int(label.max(initial=0)) + 1
    first_bin = np.arange(label[0].size) * values
    votes = np.bincount(
        (first_bin + label.reshape(len(weights), -1)).ravel(),
        np.repeat(weights, first_bin.size),
        first_bin.size * values,
    )
    majority: np.ndarray = votes.reshape(*label.shape[1:], values).argmax(-1)
    return majority
