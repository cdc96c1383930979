"""Subjects as label maps of one shape, slices for a 2D network, volumes for a 3D one; and how
well two such maps agree."""

import numpy as np

from factory.storage.subjects.resample import crop_to_shape
from factory.storage.subjects.types import Subject


def maps(subject: Subject, shape: tuple[int, ...]) -> np.ndarray:
    """A subject as uint8 maps (N, *shape): with two sides its slices from the first to the last
    that hold tissue, with three one volume, a stack brought to its number of slices.

    Raises SubjectError where the labels do not fit.
    """
    if len(shape) == 3 and "phase" not in subject.metadata:
        return crop_to_shape(subject, (shape[0], shape[1], shape[2])).label[None]
    label = crop_to_shape(subject, (len(subject.label), shape[-2], shape[-1])).label
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    slices = label[filled[0] : filled[-1] + 1]
    # A stack's depth is its number of slices, not millimetres.
    return (
        slices if len(shape) == 2 else equalised(slices, shape[0], len(subject.table.names))[None]
    )


def positions(slices: int, wanted: int) -> np.ndarray:
    """Where `wanted` slices lie among `slices`, the first and the last of them the same."""
    return np.linspace(0, slices - 1, wanted)


def equalised(label: np.ndarray, wanted: int, labels: int) -> np.ndarray:
    """A label stack [z, y, x] brought to `wanted` slices without a network: each voxel takes the
    label with the largest share between its two neighbours."""
    at = positions(len(label), wanted)
    low = np.minimum(at.astype(int), max(len(label) - 2, 0))
    high = np.minimum(low + 1, len(label) - 1)
    t = (at - low)[:, None, None]
    shares = np.stack([(1 - t) * (label[low] == v) + t * (label[high] == v) for v in range(labels)])
    return shares.argmax(axis=0).astype(label.dtype)
