"""Volumes of the tissues in ml, and the ventricle-to-brain ratio."""

import numpy as np

from factory.anatomy.lateral_ventricles import OUTSIDE, lateral_ventricles
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def volumes_ml(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, float]:
    """Return the volume of every label and region of the table but the background, ml."""
    counts = np.bincount(label.ravel(), minlength=len(table.names))
    ml = float(np.prod(spacing)) / 1000
    names = [*table.names[1:], *(region for region, _ in table.regions)]
    return {name: float(counts[table.values_of(name)].sum() * ml) for name in names}


def ventricle_brain_ratio(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Return the volume of both lateral ventricles over that of the brain's parenchyma.

    This is the volumetric ventricle-to-brain ratio, as a share (not percent). Parenchyma is
    everything labelled but external CSF and ventricles, so cerebellum and brainstem too. The third
    and fourth ventricle count in neither volume. Returns None for a table without ventricles or a
    map without parenchyma.
    """
    if "ventricles" not in table.names:
        return None
    brain = crop_with_rim(label)
    return lateral_brain_ratio(lateral_ventricles(brain, spacing, table), brain, table)


def lateral_brain_ratio(lateral: np.ndarray, label: np.ndarray, table: LabelTable) -> float | None:
    """Return the ventricle-to-brain ratio from a mask of the lateral ventricles."""
    counts = np.bincount(label.ravel(), minlength=len(table.names))
    parenchyma = sum(int(counts[i]) for i, name in enumerate(table.names) if name not in OUTSIDE)
    return float(lateral.sum() / parenchyma) if parenchyma else None
