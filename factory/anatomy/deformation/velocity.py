"""Label maps carried along a stationary velocity, their topology kept.

A velocity here is that of the places arrays are pulled from (see warp): float32 [3, z, y, x] in
mm on a lattice of LATTICE_MM. Arrays are [z, y, x], spacing is mm (z, y, x).
"""

import math
from typing import Any

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.deformation.warp import (
    exponential,
    jacobian,
    lattice_shape,
    nodes_mm,
    pull_label,
    voxels_from,
)
from factory.imaging.types import Spacing

LATTICE_MM = 3.0
REACH_VOXELS = 1.5
"""How far tissue moves between two steps of leading the labels: what thin sheets can follow."""
EASE_MM = 6.0
"""Depth below the skull at which tissue moves freely."""


def warp_label(
    label: np.ndarray, spacing: Spacing, velocity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The label map pulled along a velocity, by the nearest label; and the displacement."""
    displacement = exponential(velocity, LATTICE_MM)
    return pull_label(label, voxels_from(displacement, label.shape, spacing, LATTICE_MM)), (
        displacement
    )


def warp_keeping_topology(
    label: np.ndarray, spacing: Spacing, velocity: np.ndarray, within: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The label map led along a velocity within a mask, every tissue's topology kept.

    Returns the new label map, the places (voxels) it was pulled from and a record: the Jacobian's
    extremes at full resolution, and the voxels that the topology did not let go.
    """
    fastest = float(np.sqrt((velocity**2).sum(0)).max())
    steps = max(1, math.ceil(fastest / (REACH_VOXELS * min(spacing))))
    led = label
    for step in range(1, steps + 1):
        target, displacement = warp_label(label, spacing, velocity * np.float32(step / steps))
        target = np.where(within, target, label)
        led = change_keeping_topology(led, target)
    folding = jacobian(displacement, label.shape, spacing, LATTICE_MM)
    record = {
        "jacobian_min": float(folding.min()),
        "jacobian_max": float(folding.max()),
        "voxels_held_by_topology": int((led != target).sum()),
    }
    return led, voxels_from(displacement, label.shape, spacing, LATTICE_MM), record


def swelling_velocity(mask: np.ndarray, spacing: Spacing, reach_mm: float) -> np.ndarray:
    """The velocity, 1 mm at its fastest, that swells a mask; its negative shrinks it.

    It is the gradient of the mask blurred by a Gaussian of reach_mm: it crosses the walls at
    right angles and dies away on both sides of them, so that what the mask gains its near
    surroundings give up.
    """
    blurred = ndimage.gaussian_filter(
        mask.astype(np.float32), [reach_mm / s for s in spacing], mode="nearest", truncate=3
    )
    slope = np.stack(np.gradient(at_nodes(blurred, spacing), LATTICE_MM))
    fastest = float(np.sqrt((slope**2).sum(0)).max())
    return (slope / max(fastest, 1e-9)).astype(np.float32)


def gain_per_mm(velocity: np.ndarray, mask: np.ndarray, spacing: Spacing) -> float:
    """How much a mask's volume gains at first along a velocity, as a share of it a mm; above 0."""
    inside = at_nodes(mask.astype(np.float32), spacing)
    slopes = (np.gradient(v, LATTICE_MM, axis=i) for i, v in enumerate(velocity))
    return max(float(-(sum(slopes) * inside).sum() / max(inside.sum(), 1e-6)), 0.02)


def below_skull(label: np.ndarray, spacing: Spacing) -> np.ndarray:
    """A weight at the lattice's nodes: 0 outside the head and at the skull, 1 from 6 mm below."""
    depth = edt.edt(label > 0, anisotropy=spacing, black_border=True)
    return smoothstep(at_nodes(depth, spacing) - max(spacing), EASE_MM)


def smoothstep(distance: np.ndarray, over: float) -> np.ndarray:
    """0 up to a distance of 0, 1 from `over` on, and smooth between."""
    share = np.clip(distance / over, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def at_nodes(field: np.ndarray, spacing: Spacing) -> np.ndarray:
    """A field [z, y, x] at the lattice's nodes, linearly; beyond the array its border goes on."""
    nodes = nodes_mm(lattice_shape(field.shape, spacing, LATTICE_MM), LATTICE_MM)
    where = nodes / np.array(spacing, np.float32)[:, None, None, None]
    return ndimage.map_coordinates(field, where, np.float32, 1, mode="nearest")


def offsets_mm(
    shape: tuple[int, ...], spacing: Spacing, centre: tuple[float, float, float]
) -> np.ndarray:
    """How far each of the lattice's nodes lies from a voxel: float32 [3, z, y, x] in mm."""
    z, y, x = shape
    nodes = nodes_mm(lattice_shape((z, y, x), spacing, LATTICE_MM), LATTICE_MM)
    middle = np.array([c * s for c, s in zip(centre, spacing, strict=True)], np.float32)
    return nodes - middle[:, None, None, None]
