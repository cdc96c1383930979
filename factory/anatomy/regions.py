"""Where the tissues of a label map lie."""

from collections.abc import Iterable

import numpy as np

from factory.storage.subjects.types import LabelTable

CEREBRUM = ("grey_matter", "white_matter", "corpus_callosum", "deep_grey_matter", "ventricles")


def where(label: np.ndarray, table: LabelTable, names: Iterable[str]) -> np.ndarray:
    """Bool [z, y, x]: where label shows any of the named tissues; names the table lacks show
    nowhere."""
    values = [table.index(name) for name in names if name in table.names]
    return np.isin(label, np.array(values, label.dtype), kind="table")


def midline_x(label: np.ndarray) -> np.ndarray:
    """Where the midsagittal plane crosses each row, in voxels of x: float [z, y].

    The plane passes midway between the outer ends of the rows of labelled voxels, by least
    squares weighted with the rows' lengths, so a head slightly turned or tilted is halved along
    its own midline. label: [z, y, x], not all background.
    """
    brain = label > 0
    z, y = np.nonzero(brain.any(2))
    rows = brain[z, y]
    first, last = rows.argmax(1), rows.shape[1] - 1 - rows[:, ::-1].argmax(1)
    middle, weight = (first + last) / 2, np.sqrt(last - first + 1)
    design = np.stack([np.ones_like(middle), z, y], 1)
    plane, *_ = np.linalg.lstsq(design * weight[:, None], middle * weight, rcond=None)
    depth, height, _ = label.shape
    return plane[0] + plane[1] * np.arange(depth)[:, None] + plane[2] * np.arange(height)
