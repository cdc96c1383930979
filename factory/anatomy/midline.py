"""The midsagittal plane of a label map, fitted to all that is labelled."""

import numpy as np


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
