"""Boxes around what is labelled."""

import numpy as np


def cropped_with_rim(label: np.ndarray) -> np.ndarray:
    """The box of all that is labelled, a copy with a rim of one voxel of background."""
    spans = [np.flatnonzero(label.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(s[0]), int(s[-1]) + 1) if s.size else slice(0) for s in spans)
    return np.pad(label[box], 1)


def box_of(mask: np.ndarray, margin: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """The box of a mask, a margin (voxels) wider on every side, within the array."""
    spans = [np.nonzero(mask.any(axes))[0] for axes in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (
        slice(max(0, int(s[0]) - m), int(s[-1]) + m + 1) for s, m in zip(spans, margin, strict=True)
    )
    return z, y, x


def tissue_slices(label: np.ndarray) -> tuple[slice, ...]:
    """The smallest box about label > 0. Raises ValueError for an empty label map."""
    box = []
    for axis in range(label.ndim):
        other = tuple(a for a in range(label.ndim) if a != axis)
        inside = np.flatnonzero(label.any(axis=other))
        if not inside.size:
            raise ValueError("the label map is empty")
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)
