"""How a brain in its skull gives way to its ventricles.

A potential flow on a lattice: the lateral ventricles are its source, the external CSF its sink,
and what lies between moves and is not compressed; no flow crosses the skull, but for the share
that a growing head gives way by. Places that have yielded as much as they may stop being a sink,
and the parenchyma, a far stiffer one, takes over by and by. The flow is worked out anew as the
anatomy moves, so it is a chain of stationary velocities, each a step of about a millimetre.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg

from factory.anatomy.deformation.warp import Shape, Spacing, at_displaced, lattice_shape

FLOW_MM = 2.0
STEP_MM = 1.0
"""How far the fastest place moves in one step."""
STIFFNESS = 200.0
"""How much less readily a millilitre of parenchyma yields than one of external CSF."""
PARENCHYMA_MIN_SHARE = 0.5
"""What parenchyma can be compressed to, at any one place."""
SMOOTH_NODES = 0.8
FADING_NODES = 1.5
ROOM_MM = 10.0
"""How far beyond the skull a growing head is felt."""


@dataclass(frozen=True)
class _State:
    displacement: np.ndarray
    velocity: np.ndarray
    lost_mm3: float
    losing_mm3: float


class Flow:
    """A displacement for every time from 0 on; the time's unit is a step."""

    def __init__(
        self,
        sources: Mapping[str, np.ndarray],
        shares: Mapping[str, float],
        csf: np.ndarray,
        parenchyma: np.ndarray,
        skull: np.ndarray,
        spacing: Spacing,
        csf_min_share: float,
        head_growth: float = 0.0,
    ) -> None:
        """sources, csf, parenchyma, skull (all that lies within it): bool [z, y, x]. shares: of
        all that is gained, in ml, each source's part. head_growth: of all that is gained, the
        part that the skull gives way by."""
        named = [s for s, mask in sources.items() if shares[s] > 0 and mask.any()]
        self.shares = np.array([shares[s] for s in named]) / sum(shares[s] for s in named)
        masks = [*(sources[s] for s in named), csf, parenchyma]
        # Squared: nodes shared with another tissue count little, or its volume would change too.
        powers = [2] * len(named) + [2, 1]
        self.tissues = np.stack(
            [on_lattice(m, spacing) ** p for m, p in zip(masks, powers, strict=True)]
        )
        self.csf_min_share = csf_min_share
        self.head_growth = head_growth
        within = _largest(on_lattice(skull, spacing) > 0.5)
        self.inside = within
        if head_growth:
            self.inside = ndimage.distance_transform_edt(~within) <= ROOM_MM / FLOW_MM
        self.beyond = self.inside & ~within
        # Beyond the skull the motion dies away by and by: a sudden stop would fold.
        apart, nearest = ndimage.distance_transform_edt(~self.inside, return_indices=True)
        self.nearest, self.fading = tuple(nearest), np.exp(-((apart / FADING_NODES) ** 2))
        self.laplacian = _laplacian(self.inside)
        self.potential = np.zeros(int(self.inside.sum()))
        self.between: dict[float, np.ndarray] = {}
        self.states = [self._state(np.zeros((3, *within.shape), np.float32), 0.0)]

    def displacement(self, time: float) -> np.ndarray:
        """Where each node's tissue was, less where the node is: float32 [3, z, y, x] in mm."""
        state, more = self._at(int(time)), time - int(time)
        if not more:
            return state.displacement
        if time not in self.between:
            self.between = {time: _moved(state.displacement, more * state.velocity)}
        return self.between[time]

    def lost_mm3(self, time: float) -> float:
        """What the parenchyma has yielded."""
        state = self._at(int(time))
        return state.lost_mm3 + (time - int(time)) * state.losing_mm3

    def _at(self, whole: int) -> _State:
        while len(self.states) <= whole:
            last = self.states[-1]
            moved = _moved(last.displacement, last.velocity)
            self.states.append(self._state(moved, last.lost_mm3 + last.losing_mm3))
        return self.states[whole]

    def _state(self, displacement: np.ndarray, lost_mm3: float) -> _State:
        *sources, csf, parenchyma = at_displaced(self.tissues, displacement, FLOW_MM)
        now = np.maximum(_determinant(displacement), 1e-3)
        # By what was there at first, so that the widest part does not run away from the horns.
        gain = sum(
            s / s.sum() * share
            for s, share in zip([s * now * self.inside for s in sources], self.shares, strict=True)
        )
        solid = parenchyma * np.maximum(1 / now - PARENCHYMA_MIN_SHARE, 0) / STIFFNESS
        fluid = csf * np.maximum(1 / now - self.csf_min_share, 0)
        solid, fluid = solid * self.inside, fluid * self.inside
        yielding = float(solid.sum() + fluid.sum())
        yields = (solid + fluid) * ((1 - self.head_growth) / yielding)
        if self.head_growth:
            yields += self.beyond * (self.head_growth / self.beyond.sum())
        flux = (yields - gain)[self.inside].astype(float)
        self.potential, _ = cg(self.laplacian, flux, self.potential, rtol=1e-3, maxiter=400)
        rough = [v[self.nearest] * self.fading for v in _gradient(self.potential, self.inside)]
        smooth = [ndimage.gaussian_filter(v, SMOOTH_NODES, mode="constant") for v in rough]
        fastest = float(np.sqrt(sum(v**2 for v in smooth)).max())
        velocity = np.stack(smooth).astype(np.float32) * np.float32(STEP_MM / fastest)
        # A gain of 1 flows through faces of FLOW_MM squared.
        losing_mm3 = STEP_MM / fastest * FLOW_MM**2 * (1 - self.head_growth)
        losing_mm3 *= float(solid.sum()) / yielding
        return _State(displacement, velocity, lost_mm3, losing_mm3)


def _moved(displacement: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """A displacement after a step at a stationary velocity of at most half a node.

    Both are followed by their Taylor series to second order: a sixteenth of the work of splines,
    and within 0.02 mm of a step in many parts.
    """
    step = -velocity / FLOW_MM
    step += _along(step, _slopes(step)) / 2
    slopes = _slopes(displacement)
    first = _along(step, slopes)
    second = _along(step, _slopes(first)) - _along(_along(step, _slopes(step)), slopes)
    return displacement + FLOW_MM * step + first + second / 2


def _slopes(field: np.ndarray) -> list[np.ndarray]:
    """The derivatives of channels [k, z, y, x] along z, y and x, a node, to fourth order."""
    wider = np.pad(field, ((0, 0), (2, 2), (2, 2), (2, 2)), mode="edge")

    def moved(axis: int, nodes: int) -> np.ndarray:
        part = [slice(None), *[slice(2, -2)] * 3]
        part[axis] = slice(2 + nodes, 2 + nodes + field.shape[axis])
        return wider[tuple(part)]

    return [
        (moved(a, 1) - moved(a, -1)) * (2 / 3) - (moved(a, 2) - moved(a, -2)) / 12
        for a in (1, 2, 3)
    ]


def _along(step: np.ndarray, slopes: list[np.ndarray]) -> np.ndarray:
    """How much channels [k, z, y, x] change along a step (nodes), by their slopes."""
    return step[0] * slopes[0] + step[1] * slopes[1] + step[2] * slopes[2]


def _largest(mask: np.ndarray) -> np.ndarray:
    pieces, count = ndimage.label(mask)
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if count else mask


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
    slopes = [[s.astype(float) for s in np.gradient(u, FLOW_MM)] for u in displacement]
    for axis in range(3):
        slopes[axis][axis] += 1
    (a, b, c), (d, e, f), (g, h, i) = slopes
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant.astype(np.float32)
