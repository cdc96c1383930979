"""What a label map measures: volumes in ml, widths, diameters and thickness in mm, folding.

Pure functions of a label array [z, y, x] (RAS+: x runs to the patient's right, so the patient's
left lies at low x), its spacing in mm (z, y, x) and its LabelTable. A measure that does not
apply — the tissue is not in the table, or not in the label map — is None.
"""

from typing import Any

import numpy as np

from factory.anatomy.measures.atrium import atrial_width_mm, lateral_and_widths
from factory.anatomy.measures.connectivity import components, euler_number, topology
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.anatomy.measures.diameters import (
    biparietal_mm,
    occipito_frontal_mm,
    transcerebellar_mm,
)
from factory.anatomy.measures.gyrification import gyrification
from factory.anatomy.measures.volumes import ratio_of, ventricle_brain_ratio, volumes_ml
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

__all__ = [
    "atrial_width_mm",
    "biparietal_mm",
    "components",
    "cortical_thickness_mm",
    "euler_number",
    "gyrification",
    "measure",
    "occipito_frontal_mm",
    "transcerebellar_mm",
    "ventricle_brain_ratio",
    "volumes_ml",
]


def measure(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, Any]:
    """The columns every sample carries, plain JSON, each the function's of that name.

    For each tissue of the table but the background: volume_ml_<tissue>, components_<tissue>,
    euler_<tissue> (0 where it is absent). For the head: volume_ml_lateral_ventricles,
    atrial_width_left_mm, atrial_width_right_mm and atrial_width_mm, the wider of the two,
    ventricle_brain_ratio, biparietal_mm, occipito_frontal_mm, transcerebellar_mm,
    cortical_thickness_mm (its mean) and cortical_thickness_p5_mm (its 5th percentile),
    gyrification_index.
    """
    brain = crop_with_rim(label)
    where = brain, spacing, table
    columns: dict[str, Any] = {}
    columns |= {f"volume_ml_{name}": ml for name, ml in volumes_ml(*where).items()}
    columns |= _of_the_ventricles(*where)
    columns["biparietal_mm"] = biparietal_mm(*where)
    columns["occipito_frontal_mm"] = occipito_frontal_mm(*where)
    columns["transcerebellar_mm"] = transcerebellar_mm(*where)
    thickness = cortical_thickness_mm(*where)
    columns["cortical_thickness_mm"] = thickness["mean"]
    columns["cortical_thickness_p5_mm"] = thickness["p5"]
    columns["gyrification_index"] = gyrification(*where)
    pieces, numbers = topology(brain, table)
    columns |= {f"components_{name}": n for name, n in pieces.items()}
    columns |= {f"euler_{name}": n for name, n in numbers.items()}
    return columns


def _of_the_ventricles(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, Any]:
    """What is measured on the lateral ventricles, which are told from the others once."""
    columns: dict[str, Any] = {
        "volume_ml_lateral_ventricles": None,
        "atrial_width_mm": None,
        "atrial_width_left_mm": None,
        "atrial_width_right_mm": None,
        "ventricle_brain_ratio": None,
    }
    if "ventricles" not in table.names:
        return columns
    lateral, widths = lateral_and_widths(label, spacing, table)
    columns["volume_ml_lateral_ventricles"] = float(lateral.sum() * np.prod(spacing) / 1000)
    columns["atrial_width_mm"] = max((w for w in widths.values() if w is not None), default=None)
    columns["atrial_width_left_mm"] = widths["left"]
    columns["atrial_width_right_mm"] = widths["right"]
    columns["ventricle_brain_ratio"] = ratio_of(lateral, label, table)
    return columns
