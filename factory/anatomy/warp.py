"""Diffeomorphic warps: smooth fields on a coarse lattice, label maps and images carried along.

A field is float32 [3, z, y, x] in mm, its vectors (z, y, x), on a lattice of `lattice_mm` whose
first node lies in voxel (0, 0, 0). A displacement u stands for the map x -> x + u(x). Arrays are
pulled: what is at x afterwards was at x + u(x) before. The field is upsampled by cubic splines,
separably, so that its derivatives are smooth at full resolution too.
"""

import functools

import numpy as np
from scipy import ndimage
from scipy.interpolate import make_interp_spline

Spacing = tuple[float, float, float]
Shape = tuple[int, int, int]

SMALL = 0.05
"""Share of the lattice's step below which a velocity is its own displacement."""


def lattice_shape(shape: Shape, spacing: Spacing, lattice_mm: float) -> Shape:
    """Nodes that cover an array, four at least along each axis (what a cubic spline needs)."""
    z, y, x = (
        max(4, int(np.ceil((n - 1) * s / lattice_mm - 1e-6)) + 1)
        for n, s in zip(shape, spacing, strict=True)
    )
    return z, y, x


def nodes_mm(shape: Shape, lattice_mm: float) -> np.ndarray:
    """Where the nodes are: float32 [3, z, y, x], mm from voxel (0, 0, 0)."""
    return np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")).astype(
        np.float32
    ) * np.float32(lattice_mm)


def exponential(velocity: np.ndarray, lattice_mm: float) -> np.ndarray:
    """The displacement that a stationary velocity makes in unit time, by scaling and squaring.

    exponential(-velocity) is its inverse.
    """
    fastest = float(np.sqrt((velocity**2).sum(0)).max())
    squarings = max(0, int(np.ceil(np.log2(max(fastest, 1e-9) / (SMALL * lattice_mm)))))
    displacement = (velocity / 2**squarings).astype(np.float32)
    for _ in range(squarings):
        displacement = compose(displacement, displacement, lattice_mm)
    return displacement


def compose(after: np.ndarray, before: np.ndarray, lattice_mm: float) -> np.ndarray:
    """The displacement of x -> after(before(x)); beyond the lattice its border goes on."""
    return before + at_displaced(after, before, lattice_mm, order=3)


def at_displaced(
    field: np.ndarray, displacement: np.ndarray, lattice_mm: float, order: int = 1
) -> np.ndarray:
    """Channels [k, z, y, x] of a lattice at its displaced nodes, by splines of an order."""
    _, depth, height, width = displacement.shape
    where = nodes_mm((depth, height, width), 1.0) + displacement / np.float32(lattice_mm)
    return np.stack([_interpolated(channel, where, order) for channel in field])


def upsampled(
    field: np.ndarray, shape: Shape, spacing: Spacing, lattice_mm: float, derivative: int = -1
) -> np.ndarray:
    """A lattice's scalar field [z, y, x] at every voxel, float32; or its derivative along an axis
    (per mm)."""
    for axis in range(3):
        matrix = _spline(
            field.shape[axis], shape[axis], spacing[axis] / lattice_mm, axis == derivative
        )
        field = np.moveaxis(np.tensordot(matrix, field, (1, axis)), 0, axis)
    return np.ascontiguousarray(field / lattice_mm if derivative >= 0 else field)


@functools.lru_cache(maxsize=32)
def _spline(nodes: int, voxels: int, step: float, derivative: bool) -> np.ndarray:
    """float32 [voxels, nodes]: interpolation is linear in the nodes' values."""
    spline = make_interp_spline(np.arange(nodes), np.eye(nodes), k=3)
    at = np.arange(voxels) * step
    return (spline.derivative() if derivative else spline)(at).astype(np.float32)


def jacobian(
    displacement: np.ndarray, shape: Shape, spacing: Spacing, lattice_mm: float
) -> np.ndarray:
    """Determinant of the derivative of x -> x + u(x) at every voxel, float32 [z, y, x].

    It is the volume that a voxel's tissue had before over the volume it has now.
    """
    rows = np.empty((3, 3, *shape), np.float32)
    for row in range(3):
        for axis in range(3):
            rows[row, axis] = upsampled(displacement[row], shape, spacing, lattice_mm, axis)
        rows[row, row] += 1
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def voxels_from(
    displacement: np.ndarray, shape: Shape, spacing: Spacing, lattice_mm: float
) -> np.ndarray:
    """Where each voxel's tissue was, in voxels: float32 [3, z, y, x]."""
    places = np.empty((3, *shape), np.float32)
    for axis in range(3):
        along = np.arange(shape[axis], dtype=np.float32)
        places[axis] = upsampled(displacement[axis], shape, spacing, lattice_mm) / spacing[axis]
        places[axis] += np.expand_dims(along, [a for a in range(3) if a != axis])
    return places


def pull_label(label: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The label nearest to each place (voxels); beyond the array its border goes on."""
    flat = np.zeros(places.shape[1:], np.int32)
    for axis, n in enumerate(label.shape):
        flat *= n
        flat += np.clip(np.rint(places[axis]), 0, n - 1).astype(np.int32)
    return label.ravel()[flat]


def pull_image(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The image at each place (voxels), linearly, float32; beyond the array its border goes on."""
    return _interpolated(image.astype(np.float32, copy=False), places, 1)


def _interpolated(channel: np.ndarray, where: np.ndarray, order: int) -> np.ndarray:
    return ndimage.map_coordinates(channel, where, np.float32, order, mode="nearest")
