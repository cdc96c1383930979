"""The midsagittal plane of a label map, as a plane fitted to what is labelled."""

import numpy as np


def left_of_midline(label: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Bool [z, y, x], True on the patient's left (low x) of the midsagittal plane.

    The plane passes midway between the outer ends of every row of labelled voxels, by least
    squares weighted with the rows' lengths, so a head slightly turned or tilted is halved along
    its own midline.
    """
    brain = label > 0
    z, y = np.nonzero(brain.any(2))
    rows = brain[z, y]
    first, last = rows.argmax(1), rows.shape[1] - 1 - rows[:, ::-1].argmax(1)
    middle, weight = (first + last) / 2, np.sqrt(last - first + 1)
    design = np.stack([np.ones_like(middle), z, y], 1)
    plane, *_ = np.linalg.lstsq(design * weight[:, None], middle * weight, rcond=None)
    depth, height, width = label.shape
    x = plane[0] + plane[1] * np.arange(depth)[:, None] + plane[2] * np.arange(height)
    return np.arange(width) < x[:, :, None]
