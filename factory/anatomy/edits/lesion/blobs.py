"""Random smooth blobs of given sizes, grown from seed points through the voxels they may have.

Arrays are [z, y, x], spacing is mm (z, y, x).
"""

from dataclasses import dataclass

import cc3d
import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing

Box = tuple[slice, ...]

ROUGHNESS = 0.5
"""Standard deviation of the logarithm of how slowly a blob grows, from place to place."""
LATTICE = 64
NODES = 2
"""Nodes of the noise's lattice, along an axis (it repeats), and to a standard deviation."""
TRIES = 4096
"""Places drawn for a seed. Where none is free, the free voxel nearest to the first will do."""


@dataclass(frozen=True)
class Field:
    """What a random blob follows: drawn in mm about the middle of the array, whatever the voxels.

    slowness: [64, 64, 64], log time per mm on nodes node_mm apart. places: [blobs, TRIES, 3], where
    seeds are looked for, as shares of the array. spacing: mm.
    """

    slowness: np.ndarray
    places: np.ndarray
    node_mm: float
    spacing: Spacing

    @staticmethod
    def drawn(seed: int, blobs: int, smoothness_mm: float, spacing: Spacing) -> "Field":
        """From Philox(seed). smoothness_mm: standard deviation of the noise's Gaussian."""
        rng = np.random.Generator(np.random.Philox(seed))
        noise = rng.standard_normal((LATTICE,) * 3, np.float32)
        smooth = ndimage.gaussian_filter(noise, NODES, mode="wrap")
        slowness = ROUGHNESS * smooth / smooth.std()
        return Field(slowness, rng.random((blobs, TRIES, 3)), smoothness_mm / NODES, spacing)

    def costs(self, box: Box, shape: tuple[int, ...]) -> np.ndarray:
        """Time per mm at the voxels of a box within an array of a shape."""
        at = [
            (np.arange(b.start, b.stop) - (n - 1) / 2) * s / self.node_mm
            for b, n, s in zip(box, shape, self.spacing, strict=True)
        ]
        places = np.stack(np.meshgrid(*at, indexing="ij"))
        return np.exp(ndimage.map_coordinates(self.slowness, places, order=1, mode="grid-wrap"))


def blobs(free: np.ndarray, field: Field, sizes: list[int]) -> list[np.ndarray] | None:
    """One mask [z, y, x] a size (voxels), each one 26-connected component, none touching another.

    free: bool [z, y, x], what they may have. None where a blob finds no piece large enough.
    """
    free = free.copy()
    found = []
    for size, places in zip(sizes, field.places, strict=False):
        pieces = cc3d.connected_components(free, connectivity=26)
        volumes = np.bincount(pieces.ravel())
        volumes[0] = 0
        if volumes.max(initial=0) < size:
            return None
        start = _start((volumes >= size)[pieces], places)
        found.append(_grown(free, field, start, size))
        free &= ~with_neighbours(found[-1])
    return found


def with_neighbours(mask: np.ndarray) -> np.ndarray:
    """A mask and its 26 neighbours."""
    wider = mask.copy()
    if mask.any():
        box = box_with_margin(mask, (1, 1, 1))
        wider[box] = ndimage.binary_dilation(mask[box], np.ones((3, 3, 3)))
    return wider


def _start(free: np.ndarray, places: np.ndarray) -> tuple[int, ...]:
    """The voxel of the first place that is free, or the free voxel nearest to the first."""
    voxels = (places * free.shape).astype(int)
    hits = np.flatnonzero(free[tuple(voxels.T)])
    if len(hits):
        return tuple(voxels[hits[0]])
    every = np.argwhere(free)
    return tuple(every[((every - voxels[0]) ** 2).sum(1).argmin()])


def _grown(free: np.ndarray, field: Field, start: tuple[int, ...], size: int) -> np.ndarray:
    """The `size` voxels that a front from `start` reaches first: always one component.

    Worked out in a box about the start, doubled until the front stays clear of its faces.
    """
    reach_mm = 1.7 * (size * float(np.prod(field.spacing))) ** (1 / 3) + 4 * max(field.spacing)
    while True:
        box = tuple(
            slice(max(0, v - round(reach_mm / s)), min(n, v + round(reach_mm / s) + 1))
            for v, s, n in zip(start, field.spacing, free.shape, strict=True)
        )
        costs = np.where(free[box], field.costs(box, free.shape), -1)
        front = MCP_Geometric(costs, sampling=field.spacing)
        times, _ = front.find_costs([tuple(v - b.start for v, b in zip(start, box, strict=True))])
        # A stable sort: a voxel is never reached before the one it is reached from.
        first = np.argsort(times.ravel(), kind="stable")[:size]
        if times.ravel()[first[-1]] < _earliest_exit(times, box, free.shape):
            grown = np.zeros_like(free)
            inside = np.zeros(times.shape, bool)
            inside.ravel()[first] = True
            grown[box] = inside
            return grown
        reach_mm *= 2


def _earliest_exit(times: np.ndarray, box: Box, shape: tuple[int, ...]) -> float:
    """When the front first comes to a face of the box that is not the array's end."""
    faces = [
        times.take(end, axis).min()
        for axis, (side, n) in enumerate(zip(box, shape, strict=True))
        for end, inner in ((0, side.start > 0), (-1, side.stop < n))
        if inner
    ]
    return float(min(faces, default=np.inf))
