"""The largest sphere that fits in a mask, finer than voxels."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

BLUR_VOXELS = 0.7
"""Removes the staircase of curved surfaces; flat ones stay in place."""

THIN_VOXELS = 3
"""Depth up to which the blur may narrow a structure."""

REFINED_VOXELS = 24**3
"""Up to this size of its box a surface is sampled every half voxel, beyond it every voxel."""


def largest_radius_mm(inside: np.ndarray, depth_mm: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the radius of the largest sphere in a mask, about its deepest voxel, mm.

    The centre lies on the grid of half voxels, at most a voxel from the deepest one. The surface is
    where the slightly blurred mask crosses one half. That makes what is a voxel thin vanish, so in
    thin structures the sphere that fits in the voxels as boxes is taken where it is larger. Of
    slabs both give the thickness.

    Args:
        inside: bool of two or three axes, with a rim of False.
        depth_mm: Of each voxel: from its centre to that of the nearest voxel outside.
        spacing: mm, one for each axis.
    """
    deepest = np.unravel_index(int(depth_mm.argmax()), depth_mm.shape)
    size = np.array(spacing)
    reach_mm = float(depth_mm[deepest] + 3 * np.linalg.norm(size))
    window = tuple(
        slice(max(0, int(at - np.ceil(reach_mm / mm))), int(at + np.ceil(reach_mm / mm) + 1))
        for at, mm in zip(deepest, size, strict=True)
    )
    near = np.pad(inside[window], 1)
    centre_mm = (np.array(deepest) - [side.start for side in window] + 1) * size
    steps = np.array(list(product((-1.0, -0.5, 0.0, 0.5, 1.0), repeat=inside.ndim))) * size
    centres_mm = centre_mm + steps
    is_thin = depth_mm[deepest] <= THIN_VOXELS * size.max()
    radii_mm = [_radius_in_boxes_mm(near, centres_mm, size)] if is_thin else []
    surface_mm, blurred = _surface_mm(near, size)
    is_inside = ndimage.map_coordinates(blurred, (centres_mm / size).T, order=1) > 0.5
    if len(surface_mm) and is_inside.any():
        tree = cKDTree(surface_mm, compact_nodes=False, balanced_tree=False)
        radii_mm.append(float(tree.query(centres_mm[is_inside])[0].max()))
    return max(radii_mm)


def _radius_in_boxes_mm(inside: np.ndarray, centres_mm: np.ndarray, size: np.ndarray) -> float:
    """Return the radius of the largest sphere, about one of some points, within voxels as boxes."""
    neighbours = ndimage.generate_binary_structure(inside.ndim, inside.ndim)
    outer_mm = np.argwhere(ndimage.binary_dilation(inside, neighbours) & ~inside) * size

    def gap_mm(centre_mm: np.ndarray) -> float:
        beyond = np.maximum(np.abs(outer_mm - centre_mm) - size / 2, 0)
        return float(np.sqrt((beyond**2).sum(1).min()))

    return max(gap_mm(centre_mm) for centre_mm in centres_mm)


def _surface_mm(inside: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points where the blurred mask crosses one half, mm [n, axis], and the mask."""
    blurred = ndimage.gaussian_filter(inside.astype(np.float32), BLUR_VOXELS, mode="constant")
    field, step = blurred, size
    if inside.size <= REFINED_VOXELS:
        for axis in range(inside.ndim):
            field = _with_midpoints(field, axis)
        step = size / 2
    points = []
    for axis in range(field.ndim):
        ahead = np.moveaxis(field, axis, 0)
        first, second = ahead[:-1], ahead[1:]
        at = np.nonzero((first > 0.5) != (second > 0.5))
        share = (first[at] - 0.5) / (first[at] - second[at])
        place = np.stack([at[0] + share, *at[1:]], axis=1)
        order = [axis, *(other for other in range(field.ndim) if other != axis)]
        points.append(place[:, np.argsort(order)] * step)
    return np.concatenate(points), blurred


def _with_midpoints(field: np.ndarray, axis: int) -> np.ndarray:
    """Return an array with the means of neighbours between them along an axis."""
    values = np.moveaxis(field, axis, 0)
    fine = np.empty((2 * len(values) - 1, *values.shape[1:]), field.dtype)
    fine[::2], fine[1::2] = values, (values[:-1] + values[1:]) / 2
    return np.moveaxis(fine, 0, axis)
