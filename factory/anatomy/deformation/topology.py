"""Change label maps and keep their topology.

Resampling a label map tears thin sheets and closes narrow gaps even where the map of space is
smooth. So a warped label map is not used directly: the old one is changed towards it voxel by
voxel, and only at simple points, whose flip changes no tissue's components, tunnels or cavities
(26-connected tissues in a 6-connected rest; Bertrand and Malandain, 1994).
"""

from collections.abc import Callable

import numpy as np

SWEEPS = 12
"""How often all voxels are visited at most."""
RELAYS = 3
"""How often sheets of a voxel are thickened, so that they can pass."""

_Z, _Y, _X = np.unravel_index(np.arange(27), (3, 3, 3))
_STEPS = np.abs(_Z - 1) + np.abs(_Y - 1) + np.abs(_X - 1)


def _bits(where: np.ndarray) -> np.uint32:
    """Return the voxels of a 3×3×3 neighbourhood as bits of one number."""
    return np.uint32(sum(1 << int(i) for i in np.flatnonzero(where)))


_MIDDLE, _FACES = _bits(_STEPS == 0), _bits(_STEPS == 1)
_WITHIN_EDGES = _bits((_STEPS > 0) & (_STEPS < 3))
_AXES = [
    (np.uint32(1), _bits(_X > 0), _bits(_X < 2)),
    (np.uint32(3), _bits(_Y > 0), _bits(_Y < 2)),
    (np.uint32(9), _bits(_Z > 0), _bits(_Z < 2)),
]


def change_keeping_topology(label: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Change a label map towards a target and keep every tissue's topology.

    A voxel flips to the target's label if it is a simple point of both the tissue it leaves and
    the one it joins (background, 0, is no tissue). This is repeated until nothing changes. What
    stays different is forbidden by topology, or lies too far away: use steps of one or two voxels.
    A sheet one voxel thick may stand between a voxel and its new tissue. It is let through: the
    voxel takes the sheet's label first, so a few voxels may keep a label that neither map has
    there.

    Args:
        label: Label map [z, y, x].
        target: Label map of the same shape.

    Returns:
        A new label map.
    """
    padded = tuple(n + 2 for n in label.shape)
    flat, goal = np.pad(label, 1).ravel(), np.pad(target, 1).ravel()
    strides = np.array([padded[1] * padded[2], padded[2], 1])
    offsets = (np.stack([_Z, _Y, _X], 1) - 1) @ strides
    pending = np.flatnonzero(flat != goal)
    z, y, x = np.unravel_index(pending, padded)
    parity = np.zeros(flat.size, np.uint8)
    parity[pending] = (z % 2) * 4 + (y % 2) * 2 + x % 2
    blocked = _sweep(flat, goal, pending, parity, offsets, SWEEPS)
    for _ in range(RELAYS):
        relay = flat.copy()
        for offset in offsets[_STEPS == 1]:
            beside = blocked + offset
            sheet = (flat[beside] != goal[beside]) & (goal[beside] == goal[blocked])
            sheet &= (flat[beside] != flat[blocked]) & (flat[beside] != 0) & (flat[blocked] != 0)
            relay[blocked[sheet]] = flat[beside[sheet]]
        thickened = blocked[relay[blocked] != flat[blocked]]
        if not len(thickened):
            break
        _sweep(flat, relay, thickened, parity, offsets, 1)
        blocked = _sweep(flat, goal, blocked, parity, offsets, SWEEPS)
    return flat.reshape(padded)[1:-1, 1:-1, 1:-1].copy()


def _sweep(
    flat: np.ndarray,
    goal: np.ndarray,
    pending: np.ndarray,
    parity: np.ndarray,
    offsets: np.ndarray,
    max_rounds: int,
) -> np.ndarray:
    """Flip, in place, the pending voxels that may flip; return those that may not.

    Voxels of one parity are not neighbours of each other, so they flip together.
    """
    waiting = [pending[parity[pending] == p] for p in range(8)]
    for _ in range(max_rounds):
        moved = False
        for p, places in enumerate(waiting):
            flips = _can_flip(flat, goal, places, offsets)
            flat[places[flips]] = goal[places[flips]]
            waiting[p] = places[~flips]
            moved = moved or bool(flips.any())
        if not moved:
            break
    return np.concatenate(waiting)


def _can_flip(
    flat: np.ndarray, goal: np.ndarray, places: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Return which of the places can take the goal's label without a change of topology."""
    old, new = flat[places], goal[places]
    beside = flat[places[:, None] + offsets]
    joined = _pack_bits(beside == new[:, None])
    joins: np.ndarray = (new == 0) | is_simple(joined)
    joins &= (joined & _FACES) != 0
    joins[joins] = ((old == 0) | is_simple(_pack_bits(beside == old[:, None])))[joins]
    return joins


def _pack_bits(where: np.ndarray) -> np.ndarray:
    """Return neighbourhoods, bool [n, 27], as the bits of one number each; the middle bit is 0."""
    four = np.zeros((len(where), 4), np.uint8)
    four[:] = np.packbits(where, axis=1, bitorder="little")
    bits: np.ndarray = four.view("<u4")[:, 0] & ~_MIDDLE
    return bits


def is_simple(tissue: np.ndarray) -> np.ndarray:
    """Return whether the middle of each neighbourhood can join or leave the tissue, bool [n].

    Args:
        tissue: uint32 [n], one number for each 3×3×3 neighbourhood. Bit 9 z + 3 y + x is 1 where
            the tissue is; the middle bit is 0.
    """
    rest = ~tissue & _WITHIN_EDGES
    # x & -x is the lowest bit of x: any one voxel of a set.
    faces = rest & _FACES
    one_rest = (faces != 0) & ((faces & ~_flood(faces & -faces, rest, _spread_by_faces)) == 0)
    one_tissue = (tissue != 0) & (_flood(tissue & -tissue, tissue, _spread_by_corners) == tissue)
    simple: np.ndarray = one_rest & one_tissue
    return simple


def _flood(
    seed: np.ndarray, within: np.ndarray, spread: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return all voxels of `within` that are connected to the seed."""
    while True:
        wider = spread(seed) & within
        if np.array_equal(wider, seed):
            return seed
        seed = wider


def _spread_by_faces(bits: np.ndarray) -> np.ndarray:
    """Return the voxels and their neighbours across a face."""
    wider = bits
    for shift, not_first, not_last in _AXES:
        wider = wider | ((bits << shift) & not_first) | ((bits >> shift) & not_last)
    return wider


def _spread_by_corners(bits: np.ndarray) -> np.ndarray:
    """Return the voxels and their neighbours across a face, an edge or a corner."""
    for shift, not_first, not_last in _AXES:
        bits = bits | ((bits << shift) & not_first) | ((bits >> shift) & not_last)
    return bits
