"""Grow random smooth blobs of given sizes from seed points through the voxels they may occupy.

Each blob starts at a random place and spreads at a speed that varies smoothly: exp of Gaussian
noise, on a lattice in mm, so that the voxel size does not shape it. The voxels that are reached
first, as many as the size says, are the blob.

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
LATTICE_NODES = 64
"""Nodes of the noise's lattice along an axis; the lattice repeats."""
NODES_PER_SIGMA = 2
"""Nodes of the lattice per standard deviation of the noise's Gaussian."""
TRIES = 4096
"""Places drawn for a seed point. If none is free, the free voxel nearest to the first is taken."""


@dataclass(frozen=True)
class GrowthField:
    """The random field that shapes blobs: in mm about the array's centre, whatever the voxel size.

    Attributes:
        slowness: [64, 64, 64], log time per mm on nodes node_mm apart.
        places: [blobs, TRIES, 3], candidates for seed points as shares of the array.
        node_mm: Distance of the nodes.
        spacing: mm (z, y, x).
    """

    slowness: np.ndarray
    places: np.ndarray
    node_mm: float
    spacing: Spacing

    @staticmethod
    def sample(seed: int, blobs: int, smoothness_mm: float, spacing: Spacing) -> "GrowthField":
        """Draw a field from Philox(seed); the noise's Gaussian has a sigma of smoothness_mm."""
        rng = np.random.Generator(np.random.Philox(seed))
        noise = rng.standard_normal((LATTICE_NODES,) * 3, np.float32)
        smooth = ndimage.gaussian_filter(noise, NODES_PER_SIGMA, mode="wrap")
        slowness = ROUGHNESS * smooth / smooth.std()
        return GrowthField(
            slowness, rng.random((blobs, TRIES, 3)), smoothness_mm / NODES_PER_SIGMA, spacing
        )

    def costs(self, box: Box, shape: tuple[int, ...]) -> np.ndarray:
        """Return the time per mm at the voxels of a box within an array of a shape."""
        at = [
            (np.arange(b.start, b.stop) - (n - 1) / 2) * s / self.node_mm
            for b, n, s in zip(box, shape, self.spacing, strict=True)
        ]
        places = np.stack(np.meshgrid(*at, indexing="ij"))
        log_time = ndimage.map_coordinates(self.slowness, places, order=1, mode="grid-wrap")
        return np.asarray(np.exp(log_time))


def grow_blobs(free: np.ndarray, field: GrowthField, sizes: list[int]) -> list[np.ndarray] | None:
    """Grow one blob for each size; each is a 26-connected component, and none touches another.

    Args:
        free: The voxels that blobs may occupy, bool [z, y, x].
        field: What shapes the blobs.
        sizes: Voxels of each blob.

    Returns:
        Masks [z, y, x], or None if there is no connected piece that is large enough for a blob.
    """
    free = free.copy()
    masks: list[np.ndarray] = []
    for size, places in zip(sizes, field.places, strict=False):
        pieces = cc3d.connected_components(free, connectivity=26)
        volumes = np.bincount(pieces.ravel())
        volumes[0] = 0
        if volumes.max(initial=0) < size:
            return None
        start = _seed_voxel((volumes >= size)[pieces], places)
        masks.append(_grow_blob(free, field, start, size))
        free &= ~add_neighbours(masks[-1])
    return masks


def add_neighbours(mask: np.ndarray) -> np.ndarray:
    """Return a mask together with the 26 neighbours of its voxels."""
    wider = mask.copy()
    if mask.any():
        box = box_with_margin(mask, (1, 1, 1))
        wider[box] = ndimage.binary_dilation(mask[box], np.ones((3, 3, 3)))
    return wider


def _seed_voxel(free: np.ndarray, places: np.ndarray) -> tuple[int, ...]:
    """Return the voxel of the first free place, or the free voxel nearest to the first place."""
    voxels = (places * free.shape).astype(int)
    hits = np.flatnonzero(free[tuple(voxels.T)])
    if len(hits):
        return tuple(voxels[hits[0]])
    candidates = np.argwhere(free)
    return tuple(candidates[((candidates - voxels[0]) ** 2).sum(1).argmin()])


def _grow_blob(
    free: np.ndarray, field: GrowthField, start: tuple[int, ...], size: int
) -> np.ndarray:
    """Return the `size` voxels that a front from `start` reaches first, always one component.

    The front is computed in a box around the start, which is doubled until it is large enough.
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
        # A stable sort: no voxel comes before the one it is reached from.
        first = np.argsort(times.ravel(), kind="stable")[:size]
        if times.ravel()[first[-1]] < _earliest_exit(times, box, free.shape):
            blob: np.ndarray = np.zeros_like(free)
            inside = np.zeros(times.shape, bool)
            inside.ravel()[first] = True
            blob[box] = inside
            return blob
        reach_mm *= 2


def _earliest_exit(times: np.ndarray, box: Box, shape: tuple[int, ...]) -> float:
    """Return when the front first reaches a face of the box that is not the array's end."""
    faces = [
        times.take(end, axis).min()
        for axis, (side, n) in enumerate(zip(box, shape, strict=True))
        for end, inner in ((0, side.start > 0), (-1, side.stop < n))
        if inner
    ]
    return float(min(faces, default=np.inf))
