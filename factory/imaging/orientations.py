"""The three slicing directions of a volume [z, y, x], and boxes that may leave the array."""

import numpy as np

AXES = {"sagittal": 2, "coronal": 1, "axial": 0}
"""For each orientation, the axis perpendicular to its slices."""


def to_stack(volume: np.ndarray, orientation: str) -> np.ndarray:
    """Return a view of a volume [z, y, x] as a stack [slice, row, column]."""
    return np.moveaxis(volume, AXES[orientation], 0)


def to_volume(stack: np.ndarray, orientation: str) -> np.ndarray:
    """Return a view of a stack [slice, row, column] as a volume [z, y, x]; undoes `to_stack`."""
    return np.moveaxis(stack, 0, AXES[orientation])


def grow_side(side: slice, margin: int, multiple: int) -> slice:
    """Lengthen one side of a box by a margin at both ends, then to a multiple.

    Args:
        side: The range of indices along one axis.
        margin: Voxels to add at both ends.
        multiple: The new length is a multiple of it.

    Returns:
        The new range, which may reach beyond the array.
    """
    low, high = side.start - margin, side.stop + margin
    extra = -(high - low) % multiple
    return slice(low - extra // 2, high + extra - extra // 2)


def cut(array: np.ndarray, box: tuple[slice, ...], fill: float = 0) -> np.ndarray:
    """Return array[box], padded with `fill` where the box reaches beyond the array."""
    inside = _clip_box(box, array.shape)
    pad = [(i.start - s.start, s.stop - i.stop) for s, i in zip(box, inside, strict=True)]
    return np.pad(array[inside], pad, constant_values=fill)


def paste(array: np.ndarray, box: tuple[slice, ...], values: np.ndarray) -> None:
    """Set array[box] to `values` in place, where the box lies within the array."""
    inside = _clip_box(box, array.shape)
    source = tuple(
        slice(i.start - s.start, i.stop - s.start) for s, i in zip(box, inside, strict=True)
    )
    array[inside] = values[source]


def _clip_box(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the part of a box that lies within an array of a shape."""
    return tuple(slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, shape, strict=True))
