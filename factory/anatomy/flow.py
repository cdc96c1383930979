"""How a brain in a fixed skull gives way to its ventricles.

A potential flow on a lattice: the lateral ventricles are its source, the external CSF its sink,
and what lies between moves and is not compressed; no flow crosses the skull. Places that have
yielded as much as they may stop being a sink, and the parenchyma, a far stiffer one, takes over
by and by. The flow is worked out anew as the anatomy moves, so it is a chain of stationary
velocities, each a step of about a millimetre.
"""

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg

from factory.anatomy.warp import (
    Shape,
    Spacing,
    at_displaced,
    compose,
    exponential,
    lattice_shape,
)

FLOW_MM = 2.0
STEP_MM = 1.0
"""How far the fastest place moves in one step."""
STIFFNESS = 200.0
"""How much less readily a millilitre of parenchyma yields than one of external CSF."""
PARENCHYMA_MIN_SHARE = 0.5
"""What parenchyma can be compressed to, at any one place."""
SMOOTH_NODES = 0.5


class Flow:
    """A displacement for every time from 0 on; the time's unit is a step."""

    def __init__(
        self,
        sources: np.ndarray,
        csf: np.ndarray,
        parenchyma: np.ndarray,
        skull: np.ndarray,
        spacing: Spacing,
        csf_min_share: float,
    ) -> None:
        """sources: float [z, y, x], how fast each voxel of ventricle expands, 0 elsewhere.
        csf, parenchyma, skull (all that lies within it): bool [z, y, x]."""
        source, fluid, solid = (on_lattice(m, spacing) for m in (sources, csf, parenchyma))
        # Squared: nodes shared with another tissue count little, or its volume would change too.
        self.tissues = np.stack([source**2 / source.max(), fluid**2, solid])
        self.csf_min_share = csf_min_share
        inside, count = ndimage.label(on_lattice(skull, spacing) > 0.5)
        sizes = np.bincount(inside.ravel())
        self.inside = inside == 1 + np.argmax(sizes[1:]) if count else inside > 0
        self.laplacian = _laplacian(self.inside)
        self.potential = np.zeros(int(self.inside.sum()))
        still = np.zeros((3, *self.inside.shape), np.float32)
        self.states = [(still, self._velocity(still))]

    def displacement(self, time: float) -> np.ndarray:
        """Where each node's tissue was, less where the node is: float32 [3, z, y, x] in mm."""
        whole = int(time)
        while len(self.states) <= whole:
            moved = self._after(*self.states[-1])
            self.states.append((moved, self._velocity(moved)))
        displacement, velocity = self.states[whole]
        return self._after(displacement, (time - whole) * velocity)

    def _after(self, displacement: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        return compose(displacement, exponential(-velocity, FLOW_MM), FLOW_MM)

    def _velocity(self, displacement: np.ndarray) -> np.ndarray:
        source, csf, parenchyma = at_displaced(self.tissues, displacement, FLOW_MM)
        left = 1 / np.maximum(_determinant(displacement), 1e-3)
        yields = csf * np.maximum(left - self.csf_min_share, 0)
        yields += parenchyma * np.maximum(left - PARENCHYMA_MIN_SHARE, 0) / STIFFNESS
        source, sink = source[self.inside], yields[self.inside]
        gain = source / source.sum() - sink / sink.sum()
        self.potential, _ = cg(
            self.laplacian, -gain.astype(float), self.potential, rtol=1e-3, maxiter=400
        )
        velocity = _gradient(self.potential, self.inside)
        smooth = [ndimage.gaussian_filter(v, SMOOTH_NODES, mode="constant") for v in velocity]
        fastest = float(np.sqrt(sum(v**2 for v in smooth)).max())
        return np.stack(smooth).astype(np.float32) * np.float32(STEP_MM / fastest)


def on_lattice(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """The mean of a mask [z, y, x] about each node, weighted by hats; float32."""
    shape = lattice_shape(mask.shape, spacing, FLOW_MM)
    field = mask.astype(np.float32)
    for axis in range(3):
        hats = _hats(shape, mask.shape, spacing, axis)
        field = np.moveaxis(np.tensordot(hats, field, (1, axis)), 0, axis)
    return field


def _hats(nodes: Shape, voxels: tuple[int, ...], spacing: Spacing, axis: int) -> np.ndarray:
    apart = np.arange(nodes[axis])[:, None] - np.arange(voxels[axis]) * spacing[axis] / FLOW_MM
    # Voxels larger than the lattice's step must still reach a node on either side.
    hats = np.maximum(0, 1 - np.abs(apart) / max(1, spacing[axis] / FLOW_MM))
    return (hats / np.maximum(hats.sum(1, keepdims=True), 1e-6)).astype(np.float32)


def _laplacian(inside: np.ndarray) -> sparse.csr_matrix:
    """Minus the Laplacian between the nodes inside, times the step squared: no flux outwards."""
    number = np.cumsum(inside).reshape(inside.shape) - 1
    pairs = []
    for axis in range(3):
        low, high = _halves(axis)
        both = inside[low] & inside[high]
        pairs.append((number[low][both], number[high][both]))
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    size = int(inside.sum())
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), (size, size))
    links = (links + links.T).tocsr()
    return sparse.diags(np.asarray(links.sum(1)).ravel()) - links


def _gradient(potential: np.ndarray, inside: np.ndarray) -> list[np.ndarray]:
    """At each node the mean of the differences to its two neighbours; none across the skull."""
    field = np.zeros(inside.shape)
    field[inside] = potential
    gradient = []
    for axis in range(3):
        low, high = _halves(axis)
        rise = np.where(inside[low] & inside[high], field[high] - field[low], 0) / 2
        slope = np.zeros(inside.shape)
        slope[low] += rise
        slope[high] += rise
        gradient.append(slope)
    return gradient


def _halves(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)


def _determinant(displacement: np.ndarray) -> np.ndarray:
    rows = np.stack([np.stack(np.gradient(u, FLOW_MM)) for u in displacement])
    return np.linalg.det(np.moveaxis(rows, (0, 1), (-2, -1)) + np.eye(3)).astype(np.float32)
