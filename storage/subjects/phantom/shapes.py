"""Implicit shapes on a lattice: negative inside, positive outside, in millimetres.

Names: z, y, x are coordinate arrays that broadcast to one shape; a "field" is float32 [z, y, x].
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import edt
import numpy as np
from scipy import ndimage

Box = tuple[slice, ...]
EVERYWHERE = (slice(None),) * 3
OUTER, INNER = np.float32(-1 / 16), np.float32(9 / 16)
"""Weights of the four neighbours of a point midway between two points (Catmull-Rom)."""


@dataclass(frozen=True)
class Lattice:
    """Sample points first + index · spacing, in mm.

    Attributes:
        first: The first point (z, y, x) in mm.
        shape: Points along (z, y, x).
        spacing: Distance of neighbouring points in mm.
    """

    first: tuple[float, ...]
    shape: tuple[int, ...]
    spacing: float

    def axes(self) -> list[np.ndarray]:
        """Return the coordinates along z, y and x: three float32 arrays that broadcast."""
        lines = [
            f + self.spacing * np.arange(n) for f, n in zip(self.first, self.shape, strict=True)
        ]
        return [a.astype(np.float32) for a in np.meshgrid(*lines, indexing="ij", sparse=True)]

    def every_second(self) -> "Lattice":
        """Return the lattice of every second point along each axis."""
        return Lattice(self.first, tuple((n + 1) // 2 for n in self.shape), 2 * self.spacing)


def resample(
    field: np.ndarray, source: Lattice, target: Lattice, box: Box = EVERYWHERE
) -> np.ndarray:
    """Interpolate a field at the points of a box of another lattice.

    The interpolation is cubic (Catmull-Rom), one axis at a time. Beyond the source's ends its
    outermost values hold. It works plane by plane, to fit the processor's cache, and without BLAS,
    to give the same bits on any number of threads.
    """
    along_z, along_y, along_x = (
        _neighbour_weights(source, target, axis, box[axis]) for axis in range(3)
    )

    @functools.cache
    def plane(z: int) -> np.ndarray:
        rows = _weighted_sum((field[z].take(near, 1), weight) for near, weight in along_x)
        return _weighted_sum((rows.take(near, 0), weight[:, None]) for near, weight in along_y)

    return np.stack(
        [
            _weighted_sum((plane(int(near[i])), weight[i]) for near, weight in along_z)
            for i in range(len(along_z[0][0]))
        ]
    )


def refine_field(field: np.ndarray, target: Lattice) -> np.ndarray:
    """Interpolate a field on every second point of a lattice at all its points.

    The same as `resample`, in a third of the time.
    """
    for axis in (2, 1, 0):
        lines = np.moveaxis(field, axis, 0)
        fine = np.empty((target.shape[axis], *lines.shape[1:]), field.dtype)
        fine[::2] = lines
        ends = lines[[0, *range(len(lines)), -1, -1]]
        between = OUTER * ends[:-3]
        for tap, weight in ((ends[1:-2], INNER), (ends[2:-1], INNER), (ends[3:], OUTER)):
            between += weight * tap
        fine[1::2] = between[: len(fine) // 2]
        field = np.moveaxis(fine, 0, axis)
    return np.ascontiguousarray(field)


def double_mask(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of every second point as a mask of all points."""
    for axis in range(3):
        mask = mask.repeat(2, axis)
    return mask[tuple(slice(n) for n in shape)]


def halve_field(field: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a field by a Gaussian of `sigma` points, and return every second point."""
    for axis in range(3):
        blurred = ndimage.gaussian_filter1d(field, sigma, axis)
        field = blurred[tuple(slice(None, None, 2 if a == axis else 1) for a in range(3))]
    return field


def _neighbour_weights(
    source: Lattice, target: Lattice, axis: int, section: slice
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the four neighbours of the target's points along an axis.

    Returns:
        For each neighbour its index in the source, and its weight (float32).
    """
    points = (target.first[axis] + target.spacing * np.arange(target.shape[axis]))[section]
    position = (points - source.first[axis]) / source.spacing
    base = np.floor(position).astype(int)
    t = (position - base).astype(np.float32)
    weights = (
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    )
    last = source.shape[axis] - 1
    return [(np.clip(base + k, 0, last), w) for k, w in zip((-1, 0, 1, 2), weights, strict=True)]


def _weighted_sum(taps: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the sum of values times weights."""
    return functools.reduce(np.add, (values * weight for values, weight in taps))


def ellipsoid(
    z: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> np.ndarray:
    """Return the approximate distance to an ellipsoid; centre and radii are (x, y, z)."""
    dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
    rx, ry, rz = radii
    k = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2 + (dz / rz) ** 2)
    slope = np.sqrt((dx / rx**2) ** 2 + (dy / ry**2) ** 2 + (dz / rz**2) ** 2)
    return np.asarray(k * (k - 1) / np.maximum(slope, 1e-4))


def cone(
    z: np.ndarray,
    y: np.ndarray,
    x: np.ndarray,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    radius: tuple[float, float],
) -> np.ndarray:
    """Return the approximate distance to a cone with round ends; points are (x, y, z)."""
    ax, ay, az = (e - s for s, e in zip(start, end, strict=True))
    dx, dy, dz = x - start[0], y - start[1], z - start[2]
    t = np.clip((dx * ax + dy * ay + dz * az) / (ax**2 + ay**2 + az**2), 0, 1)
    gap = np.sqrt((dx - t * ax) ** 2 + (dy - t * ay) ** 2 + (dz - t * az) ** 2)
    return np.asarray(gap - (radius[0] + t * (radius[1] - radius[0])))


def union(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Join two shapes, the seam rounded over `blend` mm."""
    return np.asarray(np.minimum(a, b) - np.maximum(blend - np.abs(a - b), 0) ** 2 / (4 * blend))


def intersection(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Return what two shapes share, the edge rounded over `blend` mm."""
    return -union(-a, -b, blend)


def curve(points: np.ndarray, count: int) -> np.ndarray:
    """Return `count` points of a smooth curve through the rows of `points`, in any dimension."""
    points = np.asarray(points, float)
    steps = np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)
    knots = np.concatenate([[0], np.cumsum(steps)])
    # Catmull-Rom by resampling the rows evenly first; ends repeat.
    even = np.linspace(0, knots[-1], 4 * len(points))
    rows = np.stack([np.interp(even, knots, c) for c in points.T], axis=1)
    rows = ndimage.gaussian_filter1d(rows, 1.5, axis=0, mode="nearest")
    rows[0], rows[-1] = points[0], points[-1]
    positions = np.linspace(0, len(rows) - 1, count)
    return np.stack([np.interp(positions, np.arange(len(rows)), c) for c in rows.T], axis=1)


def distance(field: np.ndarray, spacing: float) -> np.ndarray:
    """Return the signed Euclidean distance to the field's zero surface, lightly smoothed."""
    inside = field < 0
    # The distance to the nearest voxel of the other kind, for both kinds at once.
    away = edt.edt(np.where(inside, np.uint8(2), np.uint8(1)), anisotropy=(spacing,) * 3)
    away -= np.float32(0.5 * spacing)
    np.negative(away, out=away, where=inside)
    return np.asarray(ndimage.gaussian_filter(away, 0.6))


def band_noise(
    rng: np.random.Generator, wavelength: float, box: tuple[int, int, int]
) -> np.ndarray:
    """Draw periodic Gaussian noise of one wavelength.

    Args:
        rng: The source of random numbers.
        wavelength: In samples.
        box: The shape of the noise.

    Returns:
        float32 of shape `box`, with unit variance.
    """
    white = np.fft.rfftn(rng.standard_normal(box))
    kz, ky = np.fft.fftfreq(box[0])[:, None, None], np.fft.fftfreq(box[1])[None, :, None]
    radius = np.sqrt(kz**2 + ky**2 + np.fft.rfftfreq(box[2])[None, None] ** 2)
    ring = np.exp(-0.5 * ((radius * wavelength - 1) / 0.18) ** 2)
    noise = np.fft.irfftn(white * ring, s=box, axes=(0, 1, 2))
    return np.asarray((noise / noise.std()).astype(np.float32))
