"""Label maps that change shape and keep their topology.

Resampling a label map tears thin sheets and closes narrow gaps even where the map of space is
smooth. So a warped label map is not taken as it comes: the old one is led to it voxel by voxel,
and only through simple points, whose flip changes no tissue's components, tunnels or cavities
(26-connected tissues in a 6-connected rest; Bertrand and Malandain, 1994).
"""

from collections.abc import Callable

import numpy as np

SWEEPS = 12
RELAYS = 3

_Z, _Y, _X = np.unravel_index(np.arange(27), (3, 3, 3))
_STEPS = np.abs(_Z - 1) + np.abs(_Y - 1) + np.abs(_X - 1)


def _bits(where: np.ndarray) -> np.uint32:
    """The voxels of a 3×3×3 neighbourhood as bits of one number."""
    return np.uint32(sum(1 << int(i) for i in np.flatnonzero(where)))


_MIDDLE, _FACES = _bits(_STEPS == 0), _bits(_STEPS == 1)
_WITHIN_EDGES = _bits((_STEPS > 0) & (_STEPS < 3))
_AXES = [
    (np.uint32(1), _bits(_X > 0), _bits(_X < 2)),
    (np.uint32(3), _bits(_Y > 0), _bits(_Y < 2)),
    (np.uint32(9), _bits(_Z > 0), _bits(_Z < 2)),
]


def change_keeping_topology(label: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`label` changed towards `target`, every tissue's topology kept; a new array.

    Voxels flip to the target's label where that is a simple change of the tissue they leave and
    of the one they join (background, 0, is no tissue), until nothing moves. What stays different
    is what topology forbids, or what lies too far off to be reached: lead by steps of a voxel or
    two. A sheet of a voxel that stands between a voxel and what it is to become is let through:
    that voxel takes the sheet's label first, so a few may keep a label that is neither's.
    """
    grown = tuple(n + 2 for n in label.shape)
    flat, goal = np.pad(label, 1).ravel(), np.pad(target, 1).ravel()
    strides = np.array([grown[1] * grown[2], grown[2], 1])
    offsets = (np.stack([_Z, _Y, _X], 1) - 1) @ strides
    wanted = np.flatnonzero(flat != goal)
    z, y, x = np.unravel_index(wanted, grown)
    parity = np.zeros(flat.size, np.uint8)
    parity[wanted] = (z % 2) * 4 + (y % 2) * 2 + x % 2
    held = _sweep(flat, goal, wanted, parity, offsets, SWEEPS)
    for _ in range(RELAYS):
        relay = flat.copy()
        for offset in offsets[_STEPS == 1]:
            beside = held + offset
            sheet = (flat[beside] != goal[beside]) & (goal[beside] == goal[held])
            sheet &= (flat[beside] != flat[held]) & (flat[beside] != 0) & (flat[held] != 0)
            relay[held[sheet]] = flat[beside[sheet]]
        thickened = held[relay[held] != flat[held]]
        if not len(thickened):
            break
        _sweep(flat, relay, thickened, parity, offsets, 1)
        held = _sweep(flat, goal, held, parity, offsets, SWEEPS)
    return flat.reshape(grown)[1:-1, 1:-1, 1:-1].copy()


def _sweep(
    flat: np.ndarray,
    goal: np.ndarray,
    wanted: np.ndarray,
    parity: np.ndarray,
    offsets: np.ndarray,
    most: int,
) -> np.ndarray:
    """Flip, in place, what may be; what is left. Voxels of one parity are no neighbours of each
    other, so they flip together."""
    waiting = [wanted[parity[wanted] == p] for p in range(8)]
    for _ in range(most):
        moved = False
        for p, places in enumerate(waiting):
            flips = _may_flip(flat, goal, places, offsets)
            flat[places[flips]] = goal[places[flips]]
            waiting[p] = places[~flips]
            moved = moved or bool(flips.any())
        if not moved:
            break
    return np.concatenate(waiting)


def _may_flip(
    flat: np.ndarray, goal: np.ndarray, places: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    old, new = flat[places], goal[places]
    beside = flat[places[:, None] + offsets]
    joined = _packed(beside == new[:, None])
    joins = (new == 0) | is_simple(joined)
    joins &= (joined & _FACES) != 0
    joins[joins] = ((old == 0) | is_simple(_packed(beside == old[:, None])))[joins]
    return joins


def _packed(where: np.ndarray) -> np.ndarray:
    """Neighbourhoods, bool [n, 27], as bits of one number each, the middle's unset."""
    four = np.zeros((len(where), 4), np.uint8)
    four[:] = np.packbits(where, axis=1, bitorder="little")
    return four.view("<u4")[:, 0] & ~_MIDDLE


def is_simple(tissue: np.ndarray) -> np.ndarray:
    """Whether the middle of each neighbourhood may join or leave the tissue; bool [n].

    tissue: uint32 [n], bit 9 z + 3 y + x of a 3×3×3 neighbourhood set where the tissue is; the
    middle bit unset.
    """
    rest = ~tissue & _WITHIN_EDGES
    doors = rest & _FACES
    one_rest = (doors != 0) & ((doors & ~_flood(doors & -doors, rest, _by_faces)) == 0)
    one_tissue = (tissue != 0) & (_flood(tissue & -tissue, tissue, _by_corners) == tissue)
    return one_rest & one_tissue


def _flood(
    seed: np.ndarray, within: np.ndarray, spread: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    while True:
        wider = spread(seed) & within
        if np.array_equal(wider, seed):
            return seed
        seed = wider


def _by_faces(bits: np.ndarray) -> np.ndarray:
    wider = bits
    for shift, not_first, not_last in _AXES:
        wider = wider | ((bits << shift) & not_first) | ((bits >> shift) & not_last)
    return wider


def _by_corners(bits: np.ndarray) -> np.ndarray:
    for shift, not_first, not_last in _AXES:
        bits = bits | ((bits << shift) & not_first) | ((bits >> shift) & not_last)
    return bits
