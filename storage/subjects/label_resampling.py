"""Resample a label map onto another lattice so that every label keeps its volume.

Nearest neighbours are not enough where two lattices nearly agree or are slightly turned: they
repeat or skip whole slices, and a head gains or loses several percent. Here each voxel gets the
label that has the greatest share of it, and shares are adjusted so that every label keeps its
volume.
"""

import numpy as np
from scipy import ndimage

SAME_SPACING = 2e-3
"""Relative difference below which two spacings count as equal: 0.2 mm of a head of 100 mm, less
than 1 % of its volume. Voxels are then copied as they are."""

ROUNDING = 1e-9
"""Relative difference that may be floating-point rounding."""

NEAR_WHOLE = 0.12
"""Distance of a spacing ratio from a whole number below which nearest neighbours err: they repeat
or skip at most one slice in eight, and volumes depend on which slice that is."""

SMOOTHING = 0.7
"""Standard deviation, in voxels, of the Gaussian that smooths a label's mask. It levels the steps
of a slanting surface, which would otherwise all be rounded to the same side."""

REACH_VOXELS = 2
"""Voxels further than this from every border keep their nearest neighbour's label."""

MAX_ROUNDS, COUNT_TOLERANCE = 10, 0.002
"""How often the volumes are corrected at most, since what one label wins another loses; and the
relative error in a label's number of uncertain voxels that is left uncorrected."""

MAX_FAVOUR = 0.35
"""The most that may be added to a label's share: its border then moves by less than half a voxel,
and no voxel goes to a label that hardly has a share of it."""

TIE_BREAK = 1e-5
"""The share that is added or subtracted to decide ties."""


def nearly_whole_ratio(factor: np.ndarray) -> np.ndarray:
    """Tell by axis whether a ratio of two spacings is nearly, but not quite, a whole number: bool.

    Elsewhere nearest neighbours repeat or skip slices often and evenly.
    """
    ratio = np.maximum(factor, 1 / factor)
    difference = np.abs(ratio - np.round(ratio))
    return np.asarray((difference > ROUNDING * ratio) & (difference < NEAR_WHOLE))


def nearly_same_spacing(factor: np.ndarray) -> np.ndarray:
    """Tell by axis whether two spacings are nearly, but not quite, the same: bool.

    `factor` is their ratio. Where label shares are read linearly, after the blur that the lower
    resolution needs, only such spacings give wrong volumes.
    """
    return np.asarray(nearly_whole_ratio(factor) & (np.abs(factor - 1) < NEAR_WHOLE))


def align_middle(start: np.ndarray, factor: np.ndarray, shape: np.ndarray | int) -> np.ndarray:
    """Move the start (voxels) by at most half a voxel, so the middle index meets a whole voxel.

    Lattices that nearly agree then agree best where the head is, and nothing is blurred there.
    """
    middle = start + factor * (np.asarray(shape) // 2)
    return np.asarray(start + np.round(middle) - middle)


def resample_label_map(
    label: np.ndarray,
    matrix: np.ndarray,
    offset: np.ndarray,
    shape: tuple[int, ...],
    smoothing: float | np.ndarray = SMOOTHING,
) -> np.ndarray:
    """Read a label map on another lattice.

    Args:
        label: uint8 [z, y, x]; everything beyond its edges is background, 0.
        matrix: 3×3, what a step along each axis of the new lattice is in voxels of the old one.
        offset: Where the new lattice's first voxel lies (z, y, x), in voxels of the old one.
        shape: Voxels (z, y, x) of the new lattice.
        smoothing: Standard deviation in voxels of the old lattice, one for all axes or (z, y, x).

    Returns:
        uint8 [z, y, x]. Every label that lies within the new lattice keeps its volume.
    """
    label, start = _crop_to_labels(label)
    offset = np.asarray(offset) - start
    transform = {"matrix": matrix, "offset": offset, "output_shape": shape, "order": 0}
    resampled: np.ndarray = ndimage.affine_transform(label, **transform)
    uncertain = np.nonzero(ndimage.affine_transform(_near_border(label), **transform))
    if not uncertain[0].size:
        return resampled
    places = matrix @ np.stack(uncertain) + offset[:, None]
    counts = np.bincount(label.ravel())
    settled = np.bincount(resampled.ravel(), minlength=counts.size)
    settled -= np.bincount(resampled[uncertain], minlength=counts.size)
    targets = np.rint(counts / abs(np.linalg.det(matrix)) - settled).astype(int)
    values = np.flatnonzero(counts)
    shares = np.stack([_label_share(label == value, places, smoothing) for value in values])
    resampled[uncertain] = values[_assign_labels(shares, targets[values])]
    return resampled


def _crop_to_labels(label: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Crop a label map to the box of its labels with a margin of background.

    Returns:
        The box, and its start (z, y, x) in the label map.
    """
    margin = 2 * REACH_VOXELS
    [box] = ndimage.find_objects((label > 0).astype(np.uint8)) or [(slice(0, 1),) * 3]
    return np.pad(label[box], margin), [side.start - margin for side in box]


def _near_border(label: np.ndarray) -> np.ndarray:
    """Return the voxels that have another label within REACH_VOXELS: bool [z, y, x]."""
    window = 2 * REACH_VOXELS + 1
    return np.asarray(
        ndimage.maximum_filter(label, window) != ndimage.minimum_filter(label, window)
    )


def _label_share(mask: np.ndarray, places: np.ndarray, smoothing: float | np.ndarray) -> np.ndarray:
    """Return the share of a mask [z, y, x] at places (3, n), in voxels: float32 (n,)."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), smoothing, truncate=3, mode="nearest")
    return np.asarray(ndimage.map_coordinates(smooth, places, np.float32, order=1, mode="nearest"))


def _assign_labels(shares: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Give each voxel the label with the greatest share, and each label its number of voxels.

    Each label but the first is favoured by the amount that gives it its number of voxels.

    Args:
        shares: (labels, n).
        targets: How many of the n voxels each label should get.

    Returns:
        The label of each voxel, as an index into `shares`.
    """
    favoured = shares.copy()
    for _ in range(MAX_ROUNDS):
        for k in range(1, len(shares)):
            needed = np.delete(favoured, k, axis=0).max(axis=0) - shares[k]
            favoured[k] = shares[k] + _find_favour(needed, int(targets[k]))
        winners: np.ndarray = favoured.argmax(axis=0)
        missing = np.abs(np.bincount(winners, minlength=len(shares)) - targets)[1:]
        if (missing <= COUNT_TOLERANCE * targets[1:]).all():
            break
    return winners


def _find_favour(needed: np.ndarray, target: int) -> float:
    """Return the favour that wins a label `target` voxels, of which each needs at least `needed`.

    Where several voxels need the same, the label wins all of them or none, whichever is closer.
    """
    if not 0 < target < needed.size:
        return -MAX_FAVOUR if target <= 0 else MAX_FAVOUR
    last = float(np.partition(needed, target - 1)[target - 1])
    too_few, too_many = target - (needed < last).sum(), (needed <= last).sum() - target
    return float(
        np.clip(last + (TIE_BREAK if too_many <= too_few else -TIE_BREAK), -MAX_FAVOUR, MAX_FAVOUR)
    )
