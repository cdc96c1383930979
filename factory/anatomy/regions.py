"""Regions of a label map: the voxels of named tissues, and the midline of the head."""

from collections.abc import Iterable

import numpy as np

from factory.storage.subjects.types import LabelTable

CEREBRUM = ("grey_matter", "white_matter", "corpus_callosum", "deep_grey_matter", "ventricles")


def tissue_mask(label: np.ndarray, table: LabelTable, names: Iterable[str]) -> np.ndarray:
    """Return the voxels of the named tissues, bool [z, y, x].

    Names that the table lacks are ignored.
    """
    values = [table.index(name) for name in names if name in table.names]
    return np.isin(label, np.array(values, label.dtype), kind="table")


def midline_x(label: np.ndarray) -> np.ndarray:
    """Return where the midsagittal plane crosses each row, in voxels of x.

    The plane passes midway between the outer ends of the rows of labelled voxels. It is fitted by
    least squares, weighted with the rows' lengths, so that a slightly turned or tilted head is
    halved along its own midline.

    Args:
        label: Label map [z, y, x] with at least one labelled voxel.

    Returns:
        float [z, y].
    """
    brain = label > 0
    z, y = np.nonzero(brain.any(2))
    rows = brain[z, y]
    first, last = rows.argmax(1), rows.shape[1] - 1 - rows[:, ::-1].argmax(1)
    middle, weight = (first + last) / 2, np.sqrt(last - first + 1)
    design = np.stack([np.ones_like(middle), z, y], 1)
    plane, *_ = np.linalg.lstsq(design * weight[:, None], middle * weight, rcond=None)
    depth, height, _ = label.shape
    crossing: np.ndarray = (
        plane[0] + plane[1] * np.arange(depth)[:, None] + plane[2] * np.arange(height)
    )
    return crossing
