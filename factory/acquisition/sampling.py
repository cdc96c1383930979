"""A volume seen through slices: each slice its own pose and a profile through its plane."""

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from factory.acquisition.geometry import Raster
from factory.acquisition.motion import Motion

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian, in its standard deviations."""

REACH = 1.2
"""Half of what is sampled of a Gaussian profile, in its full widths at half maximum."""


def profile_points(profile: str, thickness: float, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets through the slice (mm) and weights that sum to 1.

    At least five; no further apart than the volume's voxels, for a box half of that, as its edges
    ripple. gaussian: full width at half maximum = thickness; box: even over the thickness. A thickness of 0 is one point.
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


def sample(
    image: np.ndarray,
    label: np.ndarray,
    spacing: tuple[float, float, float],
    raster: Raster,
    motion: Motion,
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
    turns = Rotation.from_rotvec(motion.turn_degrees, degrees=True).as_matrix()
    kinds = int(label.max()) + 1
    seen = np.empty(raster.shape, np.float32)
    labels = np.empty(raster.shape, np.uint8)
    first = np.arange(seen[0].size) * kinds
    for index, (position, shift, turn) in enumerate(
        zip(raster.lines[0], motion.shift_mm, turns, strict=True)
    ):
        # The head is at turn · (q - centre) + centre + shift: the slice sees the q that is here.
        start = (position, 0, 0) - centre - shift
        ends = [
            axis[:, None] * line
            for axis, line in zip(turn, (offsets, *raster.lines[1:]), strict=True)
        ]
        points = (
            (turn.T @ start + centre)[:, None, None, None]
            + ends[0][:, :, None, None]
            + ends[1][:, None, :, None]
            + ends[2][:, None, None, :]
        ) / voxel[:, None, None, None]
        values = ndimage.map_coordinates(image, points, order=1, mode="grid-constant")
        seen[index] = np.tensordot(weights, values, 1)
        nearest = ndimage.map_coordinates(label, points, order=0, mode="grid-constant")
        votes = np.bincount(
            (first + nearest.reshape(len(offsets), -1)).ravel(),
            np.repeat(weights, len(first)),
            len(first) * kinds,
        )
        labels[index] = votes.reshape(*seen[0].shape, kinds).argmax(-1)
    return seen, labels
