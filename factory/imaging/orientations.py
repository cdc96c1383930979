"""The three slicing directions of a volume [z, y, x]."""

import numpy as np

AXES = {"sagittal": 2, "coronal": 1, "axial": 0}
"""The axis that a slice of each orientation is perpendicular to."""


def slices(volume: np.ndarray, orientation: str) -> np.ndarray:
    """A view of the volume as a stack: [slice, rows, columns]."""
    return np.moveaxis(volume, AXES[orientation], 0)


def volume(stack: np.ndarray, orientation: str) -> np.ndarray:
    """Undo `slices`: a stack [slice, rows, columns] as a volume [z, y, x]."""
    return np.moveaxis(stack, 0, AXES[orientation])


def grown(side: slice, margin: int, multiple: int) -> slice:
    """A box's side grown by margin at both ends, then to a multiple; it may leave the array."""
    low, high = side.start - margin, side.stop + margin
    extra = -(high - low) % multiple
    return slice(low - extra // 2, high + extra - extra // 2)


def cut(array: np.ndarray, box: tuple[slice, ...], fill: float = 0) -> np.ndarray:
    """array[box], filled where the box reaches beyond the array."""
    inside = tuple(
        slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, array.shape, strict=True)
    )
    pad = [(i.start - s.start, s.stop - i.stop) for s, i in zip(box, inside, strict=True)]
    return np.pad(array[inside], pad, constant_values=fill)


def paste(array: np.ndarray, box: tuple[slice, ...], values: np.ndarray) -> None:
    """array[box] = values in place, ignoring what lies beyond the array."""
    inside = tuple(
        slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, array.shape, strict=True)
    )
    source = tuple(
        slice(i.start - s.start, i.stop - s.start) for s, i in zip(box, inside, strict=True)
    )
    array[inside] = values[source]
