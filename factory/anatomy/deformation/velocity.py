"""Warp label maps along a stationary velocity and keep their topology.

A velocity, float32 [3, z, y, x] in mm on a lattice of LATTICE_MM, moves the places that arrays are
pulled from (see warp), so tissue moves against it. Arrays are [z, y, x], spacing is mm (z, y, x).
"""

import math
from dataclasses import dataclass

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.deformation.warp import (
    exponential,
    jacobian_determinant,
    lattice_shape,
    nodes_mm,
    pull_label,
    source_voxels,
)
from factory.imaging.types import Spacing

LATTICE_MM = 3.0
REACH_VOXELS = 1.5
"""How far tissue moves in one step of changing the labels: what thin sheets can follow."""
EASE_MM = 6.0
"""Depth below the skull at which tissue moves freely."""


@dataclass(frozen=True)
class Warped:
    """A label map after a warp that keeps its topology.

    Attributes:
        label: The new label map [z, y, x].
        places: Where each voxel was pulled from, voxels, float32 [3, z, y, x].
        jacobian_min: The smallest Jacobian determinant at full resolution.
        jacobian_max: The largest.
        blocked_voxels: How many voxels could not change because of topology.
    """

    label: np.ndarray
    places: np.ndarray
    jacobian_min: float
    jacobian_max: float
    blocked_voxels: int


def warp_label(
    label: np.ndarray, spacing: Spacing, velocity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the label map pulled along a velocity by the nearest label, and the displacement."""
    displacement = exponential(velocity, LATTICE_MM)
    places = source_voxels(displacement, label.shape, spacing, LATTICE_MM)
    return pull_label(label, places), displacement


def warp_keeping_topology(
    label: np.ndarray, spacing: Spacing, velocity: np.ndarray, within: np.ndarray
) -> Warped:
    """Warp a label map along a velocity, within a mask, and keep every tissue's topology."""
    fastest = float(np.sqrt((velocity**2).sum(0)).max())
    steps = max(1, math.ceil(fastest / (REACH_VOXELS * min(spacing))))
    current = label
    for step in range(1, steps + 1):
        target, displacement = warp_label(label, spacing, velocity * np.float32(step / steps))
        target = np.where(within, target, label)
        current = change_keeping_topology(current, target)
    determinant = jacobian_determinant(displacement, label.shape, spacing, LATTICE_MM)
    return Warped(
        current,
        source_voxels(displacement, label.shape, spacing, LATTICE_MM),
        jacobian_min=float(determinant.min()),
        jacobian_max=float(determinant.max()),
        blocked_voxels=int((current != target).sum()),
    )


def swelling_velocity(mask: np.ndarray, spacing: Spacing, reach_mm: float) -> np.ndarray:
    """Return the velocity that swells a mask; its negative shrinks the mask.

    It is the gradient of the mask after a Gaussian blur. It crosses the walls at right angles and
    fades on both sides of them, so that the mask gains what its near surroundings give up.

    Args:
        mask: bool [z, y, x].
        spacing: mm (z, y, x).
        reach_mm: Standard deviation of the Gaussian.

    Returns:
        float32 [3, z, y, x] on the lattice; the fastest node has 1 mm.
    """
    blurred = ndimage.gaussian_filter(
        mask.astype(np.float32), [reach_mm / s for s in spacing], mode="nearest", truncate=3
    )
    slope = np.stack(np.gradient(sample_at_nodes(blurred, spacing), LATTICE_MM))
    fastest = float(np.sqrt((slope**2).sum(0)).max())
    return (slope / max(fastest, 1e-9)).astype(np.float32)


def relative_gain_per_mm(velocity: np.ndarray, mask: np.ndarray, spacing: Spacing) -> float:
    """Return the initial relative gain of a mask's volume along a velocity, per mm, >= 0.02."""
    inside = sample_at_nodes(mask.astype(np.float32), spacing)
    slopes = (np.gradient(v, LATTICE_MM, axis=i) for i, v in enumerate(velocity))
    return max(float(-(sum(slopes) * inside).sum() / max(inside.sum(), 1e-6)), 0.02)


def weight_below_skull(label: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return a weight at the lattice's nodes: 0 at the skull and outside, 1 from 6 mm below it."""
    depth_mm = edt.edt(label > 0, anisotropy=spacing, black_border=True)
    return smoothstep(sample_at_nodes(depth_mm, spacing) - max(spacing), EASE_MM)


def smoothstep(distance: np.ndarray, width: float) -> np.ndarray:
    """Return 0 up to a distance of 0, 1 from `width` on, and a smooth step between; float32."""
    share = np.clip(distance / width, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def sample_at_nodes(field: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Interpolate a field [z, y, x] linearly at the lattice's nodes; its border is extended."""
    nodes = nodes_mm(lattice_shape(field.shape, spacing, LATTICE_MM), LATTICE_MM)
    places = nodes / np.array(spacing, np.float32)[:, None, None, None]
    values: np.ndarray = ndimage.map_coordinates(field, places, np.float32, 1, mode="nearest")
    return values


def node_offsets_mm(
    shape: tuple[int, ...], spacing: Spacing, centre: tuple[float, float, float]
) -> np.ndarray:
    """Return the vector from a voxel (z, y, x) to each lattice node, mm, float32 [3, z, y, x]."""
    z, y, x = shape
    nodes = nodes_mm(lattice_shape((z, y, x), spacing, LATTICE_MM), LATTICE_MM)
    middle = np.array([c * s for c, s in zip(centre, spacing, strict=True)], np.float32)
    offsets: np.ndarray = nodes - middle[:, None, None, None]
    return offsets
