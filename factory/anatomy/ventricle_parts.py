"""The parts of a label that all fluid inside the brain shares: lateral, third, fourth ventricle.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import numpy as np
from scipy import ndimage

from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.anatomy.regions import tissue_mask
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

SUPRATENTORIAL = ("deep_grey_matter", "white_matter", "corpus_callosum", "grey_matter")
INFRATENTORIAL = ("brainstem", "cerebellum")
AROUND_MM = 10.0
"""Distance within which the nearest tissue is sought."""


def ventricle_parts(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> dict[str, np.ndarray]:
    """Divide the ventricles' label by position.

    What is not lateral (see `lateral_ventricles`) is the fourth ventricle with the aqueduct where
    brainstem or cerebellum is the nearest tissue, and the third ventricle elsewhere. A cavum septi
    pellucidi has no wall of its own in such labels, so it stays with the lateral ventricles.

    Returns:
        The masks "lateral", "third" and "fourth", bool [z, y, x]; together they are the label.

    Raises:
        AnatomyError: The table has no ventricles.
    """
    lateral = lateral_ventricles(label, spacing, table)
    others: np.ndarray = (label == table.index("ventricles")) & ~lateral
    fourth = np.zeros_like(others)
    if others.any():
        box = box_with_margin(others, tuple(int(AROUND_MM / s) + 1 for s in spacing))
        to_below, to_above = (
            _distance_mm(tissue_mask(label[box], table, names), spacing)
            for names in (INFRATENTORIAL, SUPRATENTORIAL)
        )
        fourth[box] = others[box] & (to_below <= to_above) & (to_below < np.inf)
    return {"lateral": lateral, "third": others & ~fourth, "fourth": fourth}


def _distance_mm(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the distance of each voxel from a mask, mm; infinite if the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    distance_mm: np.ndarray = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return distance_mm
