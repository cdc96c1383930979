"""Bounding boxes of masks and label maps."""

from collections.abc import Sequence

import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box that contains all non-zero elements, a slice for each axis.

    Args:
        mask: A mask or a label map of any number of dimensions.

    Raises:
        ValueError: All elements are zero.
    """
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        if not inside.size:
            raise ValueError("the label map is empty")
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)


def box_with_margin(mask: np.ndarray, margin: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """Return the box of a mask, enlarged on every side.

    Starts are clipped to 0. Ends may lie beyond the array, where slicing ignores the excess.

    Args:
        mask: bool [z, y, x].
        margin: Voxels to add at both ends, for each axis.

    Raises:
        ValueError: The mask is empty.
    """
    z, y, x = (
        slice(max(0, side.start - m), side.stop + m)
        for side, m in zip(bounding_box(mask), margin, strict=True)
    )
    return z, y, x


def widen_box(
    box: tuple[slice, ...], margin: Sequence[int], shape: tuple[int, ...]
) -> tuple[slice, slice, slice]:
    """Return a box enlarged by a margin on every side, within an array of a shape [z, y, x]."""
    z, y, x = (
        slice(max(0, side.start - m), min(n, side.stop + m))
        for side, m, n in zip(box, margin, shape, strict=True)
    )
    return z, y, x


def box_within(box: tuple[slice, ...], outer: tuple[slice, ...]) -> tuple[slice, ...]:
    """Return a box of an array as a box of that array's part `outer`, which contains it."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True)
    )


def crop_with_rim(label: np.ndarray) -> np.ndarray:
    """Return a copy of the labelled box of a label map, with a rim of one voxel of background."""
    box = bounding_box(label) if label.any() else (slice(0),) * label.ndim
    return np.pad(label[box], 1)
