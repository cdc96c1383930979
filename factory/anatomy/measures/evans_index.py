"""Evans' index of an adult head: the width of the frontal horns over that of the skull's inside.

Evans, Archives of Neurology and Psychiatry 47 (1942). More than 0.3 is ventriculomegaly in the
guidelines for normal pressure hydrocephalus (Relkin et al., Neurosurgery 57, 2005).
"""

from dataclasses import dataclass

import numpy as np

from factory.anatomy.brain_labels import (
    SIDES,
    VESSELS,
    names_within_skull,
)
from factory.anatomy.regions import tissue_mask
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

FRONTAL_SHARE = 0.4
"""The share of the ventricles' length, from the front, that is frontal horn where no thalamus
shows where the interventricular foramen is."""


@dataclass(frozen=True)
class FrontalHorns:
    """The slice in which the frontal horns are widest, and its widths.

    Attributes:
        z: The slice.
        horns_mm: From the outer wall of the one horn to that of the other.
        skull_mm: The widest inner diameter of the skull.
    """

    z: int
    horns_mm: float
    skull_mm: float

    @property
    def index(self) -> float:
        """Evans' index."""
        return self.horns_mm / self.skull_mm


def evans_index(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Return Evans' index: the frontal horns' width over the skull's inner one in the same slice.

    It is taken in the axial slice in which the horns are widest, along the array's x. The frontal
    horns are what of the lateral ventricles lies before the thalami (temporal horns are labels of
    their own). Widths count voxels, so at
    1 mm the index comes in steps of about 0.007.

    Args:
        label: [z, y, x], with the two lateral ventricles as labels of their own.
        spacing: mm (z, y, x).
        table: What the values of label mean.

    Returns:
        The index, or None where one of the ventricles is missing.
    """
    horns = frontal_horns(label, spacing, table)
    return horns.index if horns else None


def frontal_horns(label: np.ndarray, spacing: Spacing, table: LabelTable) -> FrontalHorns | None:
    """Return the widest frontal horns; None where one of the ventricles is missing."""
    names = table.names
    left, right = (tissue_mask(label, table, [f"{side}_lateral_ventricle"]) for side in SIDES)
    rows = np.flatnonzero((left | right).any((0, 2)))
    if not rows.size:
        return None
    thalami = tissue_mask(label, table, ["left_thalamus", "right_thalamus"]).any((0, 2))
    first = rows[-1] - FRONTAL_SHARE * (rows[-1] - rows[0])
    if thalami.any():
        first = np.flatnonzero(thalami)[-1] + 1
    front = slice(int(first), int(rows[-1]) + 1)
    left_x, right_x = (np.asarray(side[:, front].any(axis=1)) for side in (left, right))  # [z, x]
    both = left_x.any(axis=1) & right_x.any(axis=1)
    if not both.any():
        return None
    across = left_x | right_x
    extents = np.where(both, _extents(across), 0)
    z = int(extents.argmax())
    inside = [name for name in names_within_skull(names) if name not in VESSELS]
    widest = int(_extents(tissue_mask(label[z], table, inside)).max())
    return FrontalHorns(z, float(extents[z] * spacing[2]), float(widest * spacing[2]))


def _extents(rows: np.ndarray) -> np.ndarray:
    """Return the voxels from the first to the last True of each row [rows, x]; 0 if none."""
    extents: np.ndarray = rows.shape[1] - rows.argmax(1) - rows[:, ::-1].argmax(1)
    return np.where(rows.any(1), extents, 0)
