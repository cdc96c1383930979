"""Solids of known size on any lattice and in any orientation, as bool arrays of coordinates."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

Spacing = tuple[float, float, float]


def frame(
    half_mm: float,
    spacing: Spacing,
    turn_degrees: Sequence[float] = (0.0, 0.0, 0.0),
    centre: Sequence[float] = (0.0, 0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, y, x in mm in a solid's own frame, turned about z, y and x, on a cube of 2 half_mm.

    centre: of the solid, off the lattice's middle, in voxels.
    """
    counts = [int(np.ceil(half_mm / s)) for s in spacing]
    axes = [(np.arange(-n, n + 1) - c) * s for n, s, c in zip(counts, spacing, centre, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    turn = Rotation.from_euler("xyz", turn_degrees, degrees=True).as_matrix()
    z, y, x = np.einsum("ij,izyx->jzyx", turn, grid)
    return z, y, x


def radius(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.sqrt(z**2 + y**2 + x**2)


def ellipsoid(where: tuple[np.ndarray, ...], half_axes: Sequence[float]) -> np.ndarray:
    return sum((c / h) ** 2 for c, h in zip(where, half_axes, strict=True)) < 1


def torus(where: tuple[np.ndarray, ...], ring: float, tube: float) -> np.ndarray:
    z, y, x = where
    return (np.hypot(y, x) - ring) ** 2 + z**2 < tube**2
