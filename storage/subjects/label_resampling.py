"""A label map on another lattice, every label's volume kept.

Nearest neighbours do not do where two lattices nearly agree, or are slightly turned: they repeat or
skip whole slices, and a head gains or loses several percent. Here each voxel goes to the label that
has the greatest share of it, and shares are weighed so that every label keeps its volume.
"""

import numpy as np
from scipy import ndimage

SAME_SPACING = 2e-3
"""Relative difference of two spacings that is none: 0.2 mm of a head of 100 mm, less than 1 % of
its volume. Taken as they are, voxels stay as they were drawn."""

ROUNDING = 1e-9
"""Relative difference that is a rounding of floating point."""

NEAR_WHOLE = 0.12
"""How far the ratio of two spacings is from a whole number where nearest neighbours err: they
repeat or skip one slice in eight or fewer, and it matters to a volume which."""

SMOOTHING = 0.7
"""Standard deviation, in voxels, of what smooths a label's mask: it levels the steps in which a
slanting surface is stored, which would else all be rounded to the same side."""

REACH_VOXELS = 2
"""Voxels from the nearest border beyond which a voxel's label is not in doubt."""

MAX_ROUNDS, COUNT_TOLERANCE = 10, 0.002
"""How often every label's volume is mended at the most, since what one label wins another loses;
and the share of the voxels in doubt by which it may still be off."""

MAX_FAVOUR = 0.35
"""The share that a label may be favoured by: its border moves by less than half a voxel, and no
voxel goes to a label that hardly has a share of it."""

TIE_BREAK = 1e-5
"""The share that decides where two labels want a voxel equally."""


def nearly_whole_ratio(factor: np.ndarray) -> np.ndarray:
    """Whether two spacings, of which `factor` is the ratio, are nearly but not quite in a whole
    one: bool by axis. Elsewhere nearest neighbours repeat or skip slices often and evenly."""
    ratio = np.maximum(factor, 1 / factor)
    off = np.abs(ratio - np.round(ratio))
    return (off > ROUNDING * ratio) & (off < NEAR_WHOLE)


def nearly_same_spacing(factor: np.ndarray) -> np.ndarray:
    """Whether two spacings are nearly but not quite the same, by axis. Shares that are read
    linearly, smoothed by what resolution is lost, err here alone."""
    return nearly_whole_ratio(factor) & (np.abs(factor - 1) < NEAR_WHOLE)


def align_middle(start: np.ndarray, factor: np.ndarray, shape: np.ndarray | int) -> np.ndarray:
    """The start (voxels) moved by at most half a voxel so that the middle index falls on a whole
    voxel: lattices that nearly agree then do so where the head is, and nothing is blurred there."""
    middle = start + factor * (np.asarray(shape) // 2)
    return start + np.round(middle) - middle


def resample_label_map(
    label: np.ndarray,
    matrix: np.ndarray,
    offset: np.ndarray,
    shape: tuple[int, ...],
    smoothing: float | np.ndarray = SMOOTHING,
) -> np.ndarray:
    """Read a label map on another lattice.

    Arguments:
        label: uint8 [z, y, x]; beyond its edges all is background, 0.
        matrix: 3×3, what a step along each axis of the new lattice is in voxels of the old one.
        offset: Where the new lattice's first voxel lies (z, y, x), in voxels of the old one.
        shape: Voxels (z, y, x) of the new lattice.
        smoothing: Standard deviation in voxels of the old lattice, one for all axes or (z, y, x).

    Returns:
        uint8 [z, y, x]. Every label that lies within the new lattice keeps its volume.
    """
    label, start = _crop_to_labels(label)
    offset = np.asarray(offset) - start
    read = {"matrix": matrix, "offset": offset, "output_shape": shape, "order": 0}
    made = ndimage.affine_transform(label, **read)
    doubtful = np.nonzero(ndimage.affine_transform(_near_border(label), **read))
    if not doubtful[0].size:
        return made
    places = matrix @ np.stack(doubtful) + offset[:, None]
    counts = np.bincount(label.ravel())
    settled = np.bincount(made.ravel(), minlength=counts.size)
    settled -= np.bincount(made[doubtful], minlength=counts.size)
    wanted = np.rint(counts / abs(np.linalg.det(matrix)) - settled).astype(int)
    values = np.flatnonzero(counts)
    shares = np.stack([_label_share(label == value, places, smoothing) for value in values])
    made[doubtful] = values[_assign_labels(shares, wanted[values])]
    return made


def _crop_to_labels(label: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The box of the labels with a margin of background, and where it starts (z, y, x)."""
    margin = 2 * REACH_VOXELS
    [box] = ndimage.find_objects((label > 0).astype(np.uint8)) or [(slice(0, 1),) * 3]
    return np.pad(label[box], margin), [side.start - margin for side in box]


def _near_border(label: np.ndarray) -> np.ndarray:
    """The voxels within REACH of one of another label."""
    window = 2 * REACH_VOXELS + 1
    return ndimage.maximum_filter(label, window) != ndimage.minimum_filter(label, window)


def _label_share(mask: np.ndarray, places: np.ndarray, smoothing: float | np.ndarray) -> np.ndarray:
    """The share that a mask [z, y, x] has of places (3, n), in voxels: float32 (n,)."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), smoothing, truncate=3, mode="nearest")
    return ndimage.map_coordinates(smooth, places, np.float32, order=1, mode="nearest")


def _assign_labels(shares: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The label of every voxel as an index into shares (labels, n): the greatest share wins, each
    label but the first favoured by as much as gives it the number of voxels that is wanted."""
    favoured = shares.copy()
    for _ in range(MAX_ROUNDS):
        for k in range(1, len(shares)):
            needed = np.delete(favoured, k, axis=0).max(axis=0) - shares[k]
            favoured[k] = shares[k] + _find_favour(needed, int(wanted[k]))
        made = favoured.argmax(axis=0)
        missing = np.abs(np.bincount(made, minlength=len(shares)) - wanted)[1:]
        if (missing <= COUNT_TOLERANCE * wanted[1:]).all():
            break
    return made


def _find_favour(needed: np.ndarray, wanted: int) -> float:
    """The favour that wins a label as many voxels as are wanted, each of which needs some.

    Where several need the same, it wins all of them or none, whichever comes nearer.
    """
    if not 0 < wanted < needed.size:
        return -MAX_FAVOUR if wanted <= 0 else MAX_FAVOUR
    last = float(np.partition(needed, wanted - 1)[wanted - 1])
    too_few, too_many = wanted - (needed < last).sum(), (needed <= last).sum() - wanted
    return float(
        np.clip(last + (TIE_BREAK if too_many <= too_few else -TIE_BREAK), -MAX_FAVOUR, MAX_FAVOUR)
    )
