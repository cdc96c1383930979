"""Diffeomorphic warps of label maps and images by smooth fields on a coarse lattice.

A field is float32 [3, z, y, x] in mm, its vectors (z, y, x), on a lattice of `lattice_mm` whose
first node lies in voxel (0, 0, 0). A displacement u stands for the map x -> x + u(x). Arrays are
pulled: what is at x afterwards was at x + u(x) before. The field is upsampled by separable cubic
splines, so that its derivatives are smooth at full resolution too.
"""

import functools

import numpy as np
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from factory.imaging.types import Shape, Spacing
from factory.storage.subjects.channels import map_channels

EVERYWHERE = (slice(None),) * 3
PLANES = 8
"""Planes whose Jacobian is computed together, so that they stay in the processor's cache."""
SMALL_SHARE = 0.05
"""Share of the lattice's step below which a velocity is used as its own displacement."""


def lattice_shape(shape: Shape, spacing: Spacing, lattice_mm: float) -> Shape:
    """Return how many nodes cover an array; at least four along each axis, for cubic splines."""
    z, y, x = (
        max(4, int(np.ceil((n - 1) * s / lattice_mm - 1e-6)) + 1)
        for n, s in zip(shape, spacing, strict=True)
    )
    return z, y, x


def nodes_mm(shape: Shape, lattice_mm: float) -> np.ndarray:
    """Return the positions of the nodes, mm from voxel (0, 0, 0), float32 [3, z, y, x]."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"))
    return np.asarray(indices.astype(np.float32) * np.float32(lattice_mm))


def exponential(velocity: np.ndarray, lattice_mm: float) -> np.ndarray:
    """Return the displacement of a stationary velocity in unit time, by scaling and squaring.

    `exponential(-velocity)` is its inverse.
    """
    fastest = float(np.sqrt((velocity**2).sum(0)).max())
    squarings = max(0, int(np.ceil(np.log2(max(fastest, 1e-9) / (SMALL_SHARE * lattice_mm)))))
    displacement: np.ndarray = (velocity / 2**squarings).astype(np.float32)
    for _ in range(squarings):
        displacement = compose(displacement, displacement, lattice_mm)
    return displacement


def compose(after: np.ndarray, before: np.ndarray, lattice_mm: float) -> np.ndarray:
    """Return the displacement of x -> after(before(x)); the border is extended outwards."""
    return np.asarray(before + sample_displaced(after, before, lattice_mm, order=3))


def sample_displaced(
    field: np.ndarray, displacement: np.ndarray, lattice_mm: float, order: int = 1
) -> np.ndarray:
    """Interpolate channels [k, z, y, x] of a lattice at its displaced nodes by splines."""
    _, depth, height, width = displacement.shape
    places = nodes_mm((depth, height, width), 1.0) + displacement / np.float32(lattice_mm)
    return np.stack([_interpolate(channel, places, order) for channel in field])


def upsample(
    field: np.ndarray,
    shape: Shape,
    spacing: Spacing,
    lattice_mm: float,
    derivative: int = -1,
    box: tuple[slice, ...] = EVERYWHERE,
) -> np.ndarray:
    """Return a scalar field of the lattice at every voxel of a box of the array.

    Args:
        field: [z, y, x] on the lattice.
        shape: Shape of the array.
        spacing: mm (z, y, x).
        lattice_mm: The lattice's step.
        derivative: The axis along which to return the derivative (per mm) instead; -1 for none.
        box: Slices of the array.

    Returns:
        float32 [z, y, x] of the box.
    """
    matrices = [
        _spline_matrix(field.shape[a], shape[a], spacing[a] / lattice_mm, a == derivative)[box[a]]
        for a in range(3)
    ]
    return _apply_matrices(matrices, field / lattice_mm if derivative >= 0 else field)


def _apply_matrices(matrices: list[np.ndarray], field: np.ndarray) -> np.ndarray:
    """Apply matrices [voxels, nodes] along z, y and x; the largest product last, for speed."""
    along_x = field @ matrices[2].T
    along_y = matrices[1] @ along_x
    along_z: np.ndarray = matrices[0] @ along_y.reshape(len(along_y), -1)
    return along_z.reshape(-1, *along_y.shape[1:])


@functools.lru_cache(maxsize=32)
def _spline_matrix(nodes: int, voxels: int, step: float, derivative: bool) -> np.ndarray:
    """Return the matrix of spline interpolation along one axis, float32 [voxels, nodes]."""
    spline = make_interp_spline(np.arange(nodes), np.eye(nodes), k=3)
    at = np.arange(voxels) * step
    return np.asarray((spline.derivative() if derivative else spline)(at), np.float32)


def jacobian_determinant(
    displacement: np.ndarray,
    shape: Shape,
    spacing: Spacing,
    lattice_mm: float,
    box: tuple[slice, ...] = EVERYWHERE,
) -> np.ndarray:
    """Return the Jacobian determinant of x -> x + u(x) at every voxel of a box, float32 [z, y, x].

    It is the volume that a voxel's tissue had before, over the volume that it has after the warp.
    """
    nodes = displacement.shape[1:]
    values, derivatives = (
        [_spline_matrix(nodes[a], shape[a], spacing[a] / lattice_mm, d)[box[a]] for a in range(3)]
        for d in (False, True)
    )
    rows = displacement.reshape(3 * nodes[0], nodes[1], nodes[2]) / np.float32(lattice_mm)
    in_plane = [
        (derivatives if a == 1 else values)[1] @ (rows @ (derivatives if a == 2 else values)[2].T)
        for a in range(3)
    ]
    flat = [p.reshape(3, nodes[0], -1) for p in in_plane]
    voxels = [len(m) for m in values]
    determinant = np.empty((voxels[0], voxels[1] * voxels[2]), np.float32)
    for start in range(0, voxels[0], PLANES):
        planes = slice(start, start + PLANES)
        slopes = [(derivatives if a == 0 else values)[0][planes] @ flat[a] for a in range(3)]
        for axis in range(3):
            slopes[axis][axis] += 1
        (a, d, g), (b, e, h), (c, f, i) = slopes
        determinant[planes] = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant.reshape(voxels)


def source_voxels(
    displacement: np.ndarray,
    shape: Shape,
    spacing: Spacing,
    lattice_mm: float,
    box: tuple[slice, ...] = EVERYWHERE,
) -> np.ndarray:
    """Return where the tissue of each voxel of a box comes from.

    Returns:
        float32 [3, z, y, x], in voxels of the whole array.
    """
    along = [np.arange(n, dtype=np.float32)[b] for n, b in zip(shape, box, strict=True)]
    places = np.empty((3, *[len(a) for a in along]), np.float32)
    for axis in range(3):
        in_voxels = displacement[axis] / np.float32(spacing[axis])
        places[axis] = upsample(in_voxels, shape, spacing, lattice_mm, box=box)
        places[axis] += np.expand_dims(along[axis], [a for a in range(3) if a != axis])
    return places


def pull_label(label: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the label nearest to each place (voxels); the border is extended outwards."""
    return np.asarray(label.ravel()[nearest_voxels(places, label.shape)])


def nearest_voxels(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the index, in the flattened array, of the voxel nearest to each place, int32."""
    flat = np.zeros(places.shape[1:], np.int32)
    near = np.empty(places.shape[1:], np.float32)
    for place, n in zip(places, shape, strict=True):
        flat *= n
        np.rint(place, out=near)
        np.clip(near, 0, n - 1, out=near)
        flat += near.astype(np.int32)
    return flat


def pull_image(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate an image linearly at each place (voxels), float32; the border is extended.

    Each channel of an image of several is interpolated.
    """
    return map_channels(lambda c: _interpolate(c.astype(np.float32, copy=False), places, 1), image)


def _interpolate(channel: np.ndarray, places: np.ndarray, order: int) -> np.ndarray:
    """Interpolate an array at places (voxels) by splines of an order; the border is extended."""
    values: np.ndarray = ndimage.map_coordinates(channel, places, np.float32, order, mode="nearest")
    return values
