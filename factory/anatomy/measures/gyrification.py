"""Folding of the cerebrum: how much more surface it has than its hull."""

import math
from functools import lru_cache
from itertools import product

import cc3d
import numpy as np
from scipy.spatial import SphericalVoronoi

from factory.anatomy.regions import CEREBRUM, where
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

HULL_RADIUS_MM = 10.0


def gyrification(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Area of the cerebrum's outer surface over the area of its closed hull; 1 is smooth.

    The cerebrum is grey and white matter, deep grey matter and ventricles, holes filled; its
    hull, the morphological closing by a ball of 10 mm, spans sulci and the fissure between the
    hemispheres alike. None for a map without a cerebrum.
    """
    cerebrum = crop_with_rim(where(crop_with_rim(label), table, CEREBRUM))
    if not cerebrum.any():
        return None
    beyond = cc3d.connected_components(~cerebrum, connectivity=6)
    pad = [int(np.ceil(HULL_RADIUS_MM / s)) + 1 for s in spacing]
    cerebrum = np.pad(beyond != beyond[0, 0, 0], list(zip(pad, pad, strict=True)))
    hull = ~within_mm(~within_mm(cerebrum, spacing, HULL_RADIUS_MM), spacing, HULL_RADIUS_MM)
    return surface_mm2(cerebrum, spacing) / surface_mm2(hull, spacing)


def within_mm(mask: np.ndarray, spacing: Spacing, radius_mm: float) -> np.ndarray:
    """Bool [z, y, x]: the mask and all that is at most a radius away from it.

    A ball is a stack of discs, a disc a row of rods along x: the mask is widened by each rod, eight
    voxels to a byte, then laid down wherever the ball has one. Faster than distances.
    """
    depth, height, length = (int(radius_mm / s + 1e-6) for s in spacing)
    wide, rods = mask.copy(), [np.packbits(mask, axis=2)]
    for half in range(1, length + 1):
        wide[:, :, half:] |= mask[:, :, :-half]
        wide[:, :, :-half] |= mask[:, :, half:]
        rods.append(np.packbits(wide, axis=2))
    near = np.zeros_like(rods[0])
    for z in range(depth + 1):
        disc = np.zeros_like(near)
        for y in range(-height, height + 1):
            left = radius_mm**2 - (z * spacing[0]) ** 2 - (y * spacing[1]) ** 2
            if left > -1e-6:
                here, there = _overlap((0, y, 0))
                disc[there] |= rods[int(math.sqrt(max(left, 0)) / spacing[2] + 1e-6)][here]
        for here, there in (_overlap((z, 0, 0)), _overlap((-z, 0, 0))):
            near[there] |= disc[here]
    return np.unpackbits(near, axis=2, count=mask.shape[2]).view(bool)


def surface_mm2(mask: np.ndarray, spacing: Spacing) -> float:
    """Area of a mask's surface by Crofton's formula, however it is turned.

    Lines in 13 directions are counted where they cross it, each direction weighted by the part
    of the sphere that lies nearest to it (Ohser and Mücklich, 2000). Right to 1 % for spheres,
    3 % for tori and for spheres of elongated voxels (3 to 1), 8 % for a plane. mask: clear of
    the borders.
    """
    area = 0.0
    for offset, weight in _directions(spacing):
        here, there = _overlap(offset)
        step = float(np.linalg.norm(np.multiply(offset, spacing)))
        area += weight * np.count_nonzero(mask[here] != mask[there]) / step
    return float(2 * area * np.prod(spacing))


def _overlap(offset: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The voxels of an array that have one an offset away in it, and those others."""
    here = tuple(slice(max(0, -o), min(0, -o) or None) for o in offset)
    return here, tuple(slice(max(0, o), min(0, o) or None) for o in offset)


@lru_cache(maxsize=16)
def _directions(spacing: Spacing) -> list[tuple[tuple[int, int, int], float]]:
    """The 13 directions to a voxel's neighbours (voxels), and the weights that sum to 1."""
    offsets = [(z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) != (0, 0, 0)]
    towards = np.multiply(offsets, spacing)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    shares = SphericalVoronoi(towards).calculate_areas() / (4 * np.pi)
    return [(o, 2 * float(s)) for o, s in zip(offsets, shares, strict=True) if o > (0, 0, 0)]
