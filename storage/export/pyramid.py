"""Coarser and coarser versions of a volume, each placed where its voxels lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALLEST = 64
"""Voxels along the longest axis below which nothing coarser is made."""


@dataclass(frozen=True)
class Level:
    """values: [..., z, y, x]. spacing_mm, origin_mm (centre of the first voxel): (z, y, x)."""

    values: np.ndarray
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]


def build_pyramid(
    values: np.ndarray, affine: np.ndarray, spacing_mm: Sequence[float]
) -> list[Level]:
    """The volume itself, then halved along its finer axes until it is small.

    values: [..., z, y, x]; uint8 are labels. affine: 4×4, voxel (x, y, z, 1) to mm; origins are
    measured along the grid's own axes. An axis twice as coarse as the finest waits until the
    others have caught up.
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
    """Blocks of (z, y, x) voxels as one: the mean of an image, the most frequent of labels (of
    equally frequent ones the lowest). An edge that fills no block is repeated."""
    short = [-n % f for n, f in zip(values.shape[-3:], factors, strict=True)]
    ahead = values.ndim - 3
    values = np.pad(values, [(0, 0)] * ahead + [(0, n) for n in short], mode="edge")
    if values.dtype != np.uint8:
        return _block_means(values, factors).astype(values.dtype)
    found = [np.asarray(v) for v in np.unique(values)]
    shares = np.stack([_block_means((values == v).astype(np.float32), factors) for v in found])
    return np.array(found, np.uint8)[shares.argmax(0)]


def _block_means(values: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    cut = [k for n, f in zip(values.shape[-3:], factors, strict=True) for k in (n // f, f)]
    blocks: np.ndarray = values.reshape(*values.shape[:-3], *cut)
    return blocks.mean(axis=(-5, -3, -1), dtype=np.float32)


def _make_level(values: np.ndarray, spacing: np.ndarray, origin: np.ndarray) -> Level:
    return Level(values, tuple(map(float, spacing)), tuple(map(float, origin)))
