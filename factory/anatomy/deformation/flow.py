"""The flow by which what surrounds a structure makes room for it, or follows it.

It is a potential flow on a lattice. A growing structure, e.g. the lateral ventricles, is its
source, and what yields, e.g. the external CSF, is its sink; everything between moves and is not
compressed. Nothing flows across the skull, except for the share by which a growing head makes room.
A place that has yielded as much as it may stops being a sink, and the parenchyma, which is far
stiffer, gradually takes over. The flow is computed again as the anatomy moves, so it is a chain of
stationary velocities, each a step of about a millimetre.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg

from factory.anatomy.deformation.warp import lattice_shape, sample_displaced
from factory.imaging.types import Shape, Spacing

FLOW_MM = 2.0
"""Step of the lattice."""
STEP_MM = 1.0
"""How far the fastest place moves in one step of time."""
STIFFNESS = 200.0
"""How many times as stiff as external CSF parenchyma is."""
PARENCHYMA_MIN_SHARE = 0.5
"""The share of its volume to which parenchyma can be compressed at any place."""
SMOOTH_NODES = 0.8
FADING_NODES = 1.5
"""Distance over which the motion fades outside."""
ROOM_MM = 10.0
"""How far outside the skull a growing head moves what is there."""


@dataclass(frozen=True)
class _State:
    """The flow at a whole step: where tissue is, how it moves on, and what parenchyma loses."""

    displacement: np.ndarray
    velocity: np.ndarray
    lost_mm3: float
    losing_mm3: float


class Flow:
    """A displacement for every time from 0 on, in steps."""

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
        """Set up the flow on the lattice.

        Args:
            sources: The growing structures by name, bool [z, y, x].
            shares: How the gained volume (ml) is divided among the sources; all negative if they
                shrink, and the rest follows.
            csf: What yields, e.g. the external CSF, bool [z, y, x]; or weights from 0 to 1,
                of which the squares count.
            parenchyma: The tissues that are not fluid, bool [z, y, x].
            skull: Everything within the skull, bool [z, y, x].
            spacing: mm (z, y, x).
            csf_min_share: The share of the external CSF that stays at each place.
            head_growth: The share of the gained volume for which the skull makes room.
        """
        names = [s for s, mask in sources.items() if shares[s] and mask.any()]
        self.shares = np.array([shares[s] for s in names]) / sum(shares[s] for s in names)
        masks = [*(sources[s] for s in names), csf, parenchyma]
        # Squared, so that nodes shared with another tissue, which must not change, count little.
        powers = [2] * len(names) + [2, 1]
        self.tissues = np.stack(
            [average_on_lattice(m, spacing) ** p for m, p in zip(masks, powers, strict=True)]
        )
        self.csf_min_share = csf_min_share
        self.head_growth = head_growth
        self.shrinks = sum(shares.values()) < 0
        within = _largest_component(average_on_lattice(skull, spacing) > 0.5)
        self.inside = within
        if head_growth:
            self.inside = ndimage.distance_transform_edt(~within) <= ROOM_MM / FLOW_MM
        self.beyond = self.inside & ~within
        # Outside the skull the motion fades gradually: a sudden stop would fold.
        distance, nearest = ndimage.distance_transform_edt(~self.inside, return_indices=True)
        self.nearest, self.fading = tuple(nearest), np.exp(-((distance / FADING_NODES) ** 2))
        self.laplacian = _negative_laplacian(self.inside)
        self.potential = np.zeros(int(self.inside.sum()))
        self.between: dict[float, np.ndarray] = {}
        self.states = [self._compute_state(np.zeros((3, *within.shape), np.float32), 0.0)]

    def displacement(self, time: float) -> np.ndarray:
        """Return the vector from each node to where its tissue was, mm, float32 [3, z, y, x]."""
        state, remainder = self._state_at(int(time)), time - int(time)
        if not remainder:
            return state.displacement
        if time not in self.between:
            self.between = {time: _advance(state.displacement, remainder * state.velocity)}
        return self.between[time]

    def lost_mm3(self, time: float) -> float:
        """Return the volume that the parenchyma has lost at a time."""
        state = self._state_at(int(time))
        return state.lost_mm3 + (time - int(time)) * state.losing_mm3

    def _state_at(self, step: int) -> _State:
        """Return the state at a whole step; states before it are computed once."""
        while len(self.states) <= step:
            last = self.states[-1]
            moved = _advance(last.displacement, last.velocity)
            self.states.append(self._compute_state(moved, last.lost_mm3 + last.losing_mm3))
        return self.states[step]

    def _compute_state(self, displacement: np.ndarray, lost_mm3: float) -> _State:
        """Solve for the velocity at a displacement."""
        *sources, csf, parenchyma = sample_displaced(self.tissues, displacement, FLOW_MM)
        determinant = np.maximum(_jacobian_determinant(displacement), 1e-3)
        # In proportion to the original volume, so that the widest part does not outgrow the horns.
        gain = sum(
            s / s.sum() * share
            for s, share in zip(
                [s * determinant * self.inside for s in sources], self.shares, strict=True
            )
        )
        solid, fluid = parenchyma / STIFFNESS, csf
        if not self.shrinks:
            solid = parenchyma * np.maximum(1 / determinant - PARENCHYMA_MIN_SHARE, 0) / STIFFNESS
            fluid = csf * np.maximum(1 / determinant - self.csf_min_share, 0)
        solid, fluid = solid * self.inside, fluid * self.inside
        total_yield = float(solid.sum() + fluid.sum())
        yields = (solid + fluid) * ((1 - self.head_growth) / total_yield)
        if self.head_growth:
            yields += self.beyond * (self.head_growth / self.beyond.sum())
        flux = (yields - gain)[self.inside].astype(float)
        if self.shrinks:
            flux = -flux
        self.potential, _ = cg(self.laplacian, flux, self.potential, rtol=1e-3, maxiter=400)
        rough = [v[self.nearest] * self.fading for v in _gradient(self.potential, self.inside)]
        smooth = [ndimage.gaussian_filter(v, SMOOTH_NODES, mode="constant") for v in rough]
        fastest = float(np.sqrt(sum(v**2 for v in smooth)).max())
        velocity = np.stack(smooth).astype(np.float32) * np.float32(STEP_MM / fastest)
        # A gain of 1 flows through faces of area FLOW_MM squared.
        losing_mm3 = STEP_MM / fastest * FLOW_MM**2 * (1 - self.head_growth)
        losing_mm3 *= float(solid.sum()) / total_yield
        if self.shrinks:
            losing_mm3 = -losing_mm3
        return _State(displacement, velocity, lost_mm3, losing_mm3)


def _advance(displacement: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Return a displacement after a step at a stationary velocity of at most half a node.

    Both are expanded in Taylor series to second order. This takes a sixteenth of the work of
    splines, and agrees within 0.02 mm with a step divided into many small ones.
    """
    step = -velocity / FLOW_MM
    step += _change_along(step, _slopes(step)) / 2
    slopes = _slopes(displacement)
    first = _change_along(step, slopes)
    second = _change_along(step, _slopes(first)) - _change_along(
        _change_along(step, _slopes(step)), slopes
    )
    advanced: np.ndarray = displacement + FLOW_MM * step + first + second / 2
    return advanced


def _slopes(field: np.ndarray) -> list[np.ndarray]:
    """Return the derivatives of channels [k, z, y, x] along z, y, x, per node, to fourth order."""
    wider = np.pad(field, ((0, 0), (2, 2), (2, 2), (2, 2)), mode="edge")

    def shifted(axis: int, nodes: int) -> np.ndarray:
        window = [slice(None), *[slice(2, -2)] * 3]
        window[axis] = slice(2 + nodes, 2 + nodes + field.shape[axis])
        return wider[tuple(window)]

    return [
        (shifted(a, 1) - shifted(a, -1)) * (2 / 3) - (shifted(a, 2) - shifted(a, -2)) / 12
        for a in (1, 2, 3)
    ]


def _change_along(step: np.ndarray, slopes: list[np.ndarray]) -> np.ndarray:
    """Return how much channels [k, z, y, x] change along a step (nodes), by their slopes."""
    change: np.ndarray = step[0] * slopes[0] + step[1] * slopes[1] + step[2] * slopes[2]
    return change


def _largest_component(mask: np.ndarray) -> np.ndarray:
    """Return the largest component of a mask; components are connected by faces."""
    pieces, count = ndimage.label(mask)
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if count else mask


def average_on_lattice(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the mean of a mask [z, y, x] around each node, float32; the weights are hats."""
    shape = lattice_shape(mask.shape, spacing, FLOW_MM)
    field: np.ndarray = mask.astype(np.float32)
    for axis in range(3):
        hats = _hat_weights(shape, mask.shape, spacing, axis)
        field = np.moveaxis(np.tensordot(hats, field, (1, axis)), 0, axis)
    return field


def _hat_weights(nodes: Shape, voxels: tuple[int, ...], spacing: Spacing, axis: int) -> np.ndarray:
    """Return the weight of each voxel for each node along an axis, float32 [nodes, voxels]."""
    distance = np.arange(nodes[axis])[:, None] - np.arange(voxels[axis]) * spacing[axis] / FLOW_MM
    # Voxels larger than the lattice's step must still reach a node on either side.
    hats = np.maximum(0, 1 - np.abs(distance) / max(1, spacing[axis] / FLOW_MM))
    return np.asarray(hats / np.maximum(hats.sum(1, keepdims=True), 1e-6), np.float32)


def _negative_laplacian(inside: np.ndarray) -> sparse.csr_matrix:
    """Return minus the Laplacian of the nodes inside, times the step squared; no outward flux."""
    number = np.cumsum(inside).reshape(inside.shape) - 1
    pairs = []
    for axis in range(3):
        low, high = _neighbour_slices(axis)
        both = inside[low] & inside[high]
        pairs.append((number[low][both], number[high][both]))
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    size = int(inside.sum())
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), (size, size))
    links = (links + links.T).tocsr()
    return sparse.diags(np.asarray(links.sum(1)).ravel()) - links


def _gradient(potential: np.ndarray, inside: np.ndarray) -> list[np.ndarray]:
    """Return at each node the mean difference to its two neighbours; none across the skull."""
    field = np.zeros(inside.shape)
    field[inside] = potential
    gradient = []
    for axis in range(3):
        low, high = _neighbour_slices(axis)
        rise = np.where(inside[low] & inside[high], field[high] - field[low], 0) / 2
        slope = np.zeros(inside.shape)
        slope[low] += rise
        slope[high] += rise
        gradient.append(slope)
    return gradient


def _neighbour_slices(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices of all pairs of neighbours along an axis: the lower and the upper."""
    low, high = [slice(None)] * 3, [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)


def _jacobian_determinant(displacement: np.ndarray) -> np.ndarray:
    """Return the Jacobian determinant at the nodes, float32."""
    slopes = [[s.astype(float) for s in np.gradient(u, FLOW_MM)] for u in displacement]
    for axis in range(3):
        slopes[axis][axis] += 1
    (a, b, c), (d, e, f), (g, h, i) = slopes
    determinant: np.ndarray = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant.astype(np.float32)
