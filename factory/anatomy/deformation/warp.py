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

from factory.imaging.types import Shape, Spacing

EVERYWHERE = (slice(None),) * 3
PLANES = 8
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
    field: np.ndarray,
    shape: Shape,
    spacing: Spacing,
    lattice_mm: float,
    derivative: int = -1,
    box: tuple[slice, ...] = EVERYWHERE,
) -> np.ndarray:
    """A lattice's scalar field [z, y, x] at every voxel of a box of the array, float32; or its
    derivative along an axis (per mm)."""
    matrices = [
        _spline(field.shape[a], shape[a], spacing[a] / lattice_mm, a == derivative)[box[a]]
        for a in range(3)
    ]
    return _product(matrices, field / lattice_mm if derivative >= 0 else field)


def _product(matrices: list[np.ndarray], field: np.ndarray) -> np.ndarray:
    """Matrices [voxels, nodes] along z, y and x: contiguous, the largest product last."""
    along_x = field @ matrices[2].T
    along_y = matrices[1] @ along_x
    along_z = matrices[0] @ along_y.reshape(len(along_y), -1)
    return along_z.reshape(-1, *along_y.shape[1:])


@functools.lru_cache(maxsize=32)
def _spline(nodes: int, voxels: int, step: float, derivative: bool) -> np.ndarray:
    """float32 [voxels, nodes]: interpolation is linear in the nodes' values."""
    spline = make_interp_spline(np.arange(nodes), np.eye(nodes), k=3)
    at = np.arange(voxels) * step
    return (spline.derivative() if derivative else spline)(at).astype(np.float32)


def jacobian(
    displacement: np.ndarray,
    shape: Shape,
    spacing: Spacing,
    lattice_mm: float,
    box: tuple[slice, ...] = EVERYWHERE,
) -> np.ndarray:
    """Determinant of the derivative of x -> x + u(x) at every voxel of a box, float32 [z, y, x].

    It is the volume that a voxel's tissue had before over the volume it has now.
    """
    nodes = displacement.shape[1:]
    plain, sloped = (
        [_spline(nodes[a], shape[a], spacing[a] / lattice_mm, d)[box[a]] for a in range(3)]
        for d in (False, True)
    )
    # Planes a few at a time, so that the nine derivatives stay in the processor's cache.
    rows = displacement.reshape(3 * nodes[0], nodes[1], nodes[2]) / np.float32(lattice_mm)
    in_plane = [
        (sloped if a == 1 else plain)[1] @ (rows @ (sloped if a == 2 else plain)[2].T)
        for a in range(3)
    ]
    flat = [p.reshape(3, nodes[0], -1) for p in in_plane]
    voxels = [len(m) for m in plain]
    determinant = np.empty((voxels[0], voxels[1] * voxels[2]), np.float32)
    for start in range(0, voxels[0], PLANES):
        part = slice(start, start + PLANES)
        slopes = [(sloped if a == 0 else plain)[0][part] @ flat[a] for a in range(3)]
        for axis in range(3):
            slopes[axis][axis] += 1
        (a, d, g), (b, e, h), (c, f, i) = slopes
        determinant[part] = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant.reshape(voxels)


def voxels_from(
    displacement: np.ndarray,
    shape: Shape,
    spacing: Spacing,
    lattice_mm: float,
    box: tuple[slice, ...] = EVERYWHERE,
) -> np.ndarray:
    """Where the tissue of each voxel of a box was, in voxels of the whole array: float32
    [3, z, y, x]."""
    along = [np.arange(n, dtype=np.float32)[b] for n, b in zip(shape, box, strict=True)]
    places = np.empty((3, *[len(a) for a in along]), np.float32)
    for axis in range(3):
        in_voxels = displacement[axis] / np.float32(spacing[axis])
        places[axis] = upsampled(in_voxels, shape, spacing, lattice_mm, box=box)
        places[axis] += np.expand_dims(along[axis], [a for a in range(3) if a != axis])
    return places


def pull_label(label: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The label nearest to each place (voxels); beyond the array its border goes on."""
    return label.ravel()[nearest_voxels(places, label.shape)]


def nearest_voxels(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Where in a flattened array of a shape the voxel nearest to each place is: int32."""
    flat = np.zeros(places.shape[1:], np.int32)
    near = np.empty(places.shape[1:], np.float32)
    for place, n in zip(places, shape, strict=True):
        flat *= n
        np.rint(place, out=near)
        np.clip(near, 0, n - 1, out=near)
        flat += near.astype(np.int32)
    return flat


def pull_image(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The image at each place (voxels), linearly, float32; beyond the array its border goes on."""
    return _interpolated(image.astype(np.float32, copy=False), places, 1)


def _interpolated(channel: np.ndarray, where: np.ndarray, order: int) -> np.ndarray:
    return ndimage.map_coordinates(channel, where, np.float32, order, mode="nearest")
