"""Image pyramids: coarser and coarser versions of a volume, each with its position."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALLEST = 64
"""The number of voxels along the longest axis at which a pyramid ends."""


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes:
        values: [..., z, y, x].
        spacing_mm: (z, y, x).
        origin_mm: The centre of the first voxel, (z, y, x).
    """

    values: np.ndarray
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]


def build_pyramid(
    values: np.ndarray, affine: np.ndarray, spacing_mm: Sequence[float]
) -> list[Level]:
    """Build a pyramid: the volume itself, then halved along its finer axes until it is small.

    An axis with at least twice the spacing of the finest one is not halved until the other axes
    have the same spacing.

    Args:
        values: [..., z, y, x]; whole numbers are labels, all others intensities.
        affine: 4×4, voxel (x, y, z, 1) to mm; origins are measured along the grid's axes.
        spacing_mm: (z, y, x).
    """
    affine, spacing = np.asarray(affine, float), np.asarray(spacing_mm, float)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    origin = (axes.T @ affine[:3, 3])[::-1]
    levels = [_make_level(values, spacing, origin)]
    while max(values.shape[-3:]) > SMALLEST:
        long = np.array(values.shape[-3:]) > 1
        factors = np.where(long & (spacing < 2 * spacing[long].min()), 2, 1)
        values = coarsen(values, factors.tolist())
        origin = origin + (factors - 1) / 2 * spacing
        spacing = spacing * factors
        levels.append(_make_level(values, spacing, origin))
    return levels


def coarsen(values: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """Merge blocks of voxels: the mean of intensities, or the most frequent of labels.

    Of equally frequent labels it is the lowest. Edge voxels are repeated to fill the last blocks.

    Args:
        values: [..., z, y, x]; whole numbers are labels, all others intensities.
        factors: The voxels of a block, (z, y, x).
    """
    padding = [-n % f for n, f in zip(values.shape[-3:], factors, strict=True)]
    leading_axes = values.ndim - 3
    values = np.pad(values, [(0, 0)] * leading_axes + [(0, n) for n in padding], mode="edge")
    if not np.issubdtype(values.dtype, np.integer):
        means: np.ndarray = _block_means(values, factors).astype(values.dtype)
        return means
    labels = np.unique(values)
    shares = [_block_means((values == label).astype(np.float32), factors) for label in labels]
    most_frequent: np.ndarray = labels[np.stack(shares).argmax(0)]
    return most_frequent


def _block_means(values: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    shape = [k for n, f in zip(values.shape[-3:], factors, strict=True) for k in (n // f, f)]
    blocks = values.reshape(*values.shape[:-3], *shape)
    means: np.ndarray = blocks.mean(axis=(-5, -3, -1), dtype=np.float32)
    return means


def _make_level(values: np.ndarray, spacing: np.ndarray, origin: np.ndarray) -> Level:
    return Level(values, tuple(map(float, spacing)), tuple(map(float, origin)))
