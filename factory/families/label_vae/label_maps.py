"""Subjects as label maps of one shape: slices for a 2D network, volumes for a 3D network."""

import numpy as np

from factory.storage.subjects.resample import crop_to_shape
from factory.storage.subjects.types import Subject


def subject_maps(subject: Subject, shape: tuple[int, ...]) -> np.ndarray:
    """Return a subject as label maps of one shape.

    For a shape (y, x) they are its slices from the first to the last that contains tissue. For a
    shape (z, y, x) there is one volume. The depth of a stack is its number of slices, not
    millimetres, so a stack is resampled to the number of slices of the shape.

    Args:
        subject: The subject.
        shape: (y, x) or (z, y, x) in voxels.

    Returns:
        Label maps uint8 (N, *shape).

    Raises:
        SubjectError: The tissue does not fit into the shape.
    """
    if len(shape) == 3 and "phase" not in subject.metadata:
        return crop_to_shape(subject, (shape[0], shape[1], shape[2])).label[None]
    label = crop_to_shape(subject, (len(subject.label), shape[-2], shape[-1])).label
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    slices = label[filled[0] : filled[-1] + 1]
    if len(shape) == 2:
        return slices
    return resample_slices(slices, shape[0], len(subject.table.names))[None]


def slice_positions(slices: int, count: int) -> np.ndarray:
    """Return positions of `count` evenly spaced slices among 0 … slices − 1, both ends included."""
    return np.linspace(0, slices - 1, count)


def resample_slices(label: np.ndarray, count: int, labels: int) -> np.ndarray:
    """Resample a stack of labels to another number of slices, without a network.

    Each voxel takes the label with the largest share in linear interpolation between the two
    neighbouring slices.

    Args:
        label: The stack [z, y, x].
        count: The new number of slices.
        labels: Number of labels, including the background.
    """
    position = slice_positions(len(label), count)
    below = np.minimum(position.astype(int), max(len(label) - 2, 0))
    above = np.minimum(below + 1, len(label) - 1)
    t = (position - below)[:, None, None]
    shares = [(1 - t) * (label[below] == v) + t * (label[above] == v) for v in range(labels)]
    resampled: np.ndarray = np.stack(shares).argmax(axis=0).astype(label.dtype)
    return resampled
