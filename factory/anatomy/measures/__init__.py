"""Measures of a label map: volumes in ml, widths, diameters and thickness in mm, folding.

They are pure functions of a label array [z, y, x] (RAS+: x runs to the patient's right, so the
patient's left lies at low x), its spacing in mm (z, y, x) and its LabelTable. A measure that does
not apply, because the tissue is not in the table or not in the label map, is None.
"""

import numpy as np

from factory.anatomy.measures.atrium import atrial_width_mm, lateral_ventricles_and_widths
from factory.anatomy.measures.connectivity import components, euler_number, topology
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.anatomy.measures.diameters import (
    biparietal_mm,
    occipito_frontal_mm,
    transcerebellar_mm,
)
from factory.anatomy.measures.gyrification import gyrification
from factory.anatomy.measures.volumes import lateral_brain_ratio, ventricle_brain_ratio, volumes_ml
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
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


def measure(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    """Measure a label map [z, y, x] and return the columns that every sample carries.

    The values are plain JSON; each column is computed by the function of the same name:

    - for each tissue of the table but the background: volume_ml_<tissue>, components_<tissue> and
      euler_<tissue> (0 where it is absent);
    - for the ventricles: volume_ml_lateral_ventricles, atrial_width_left_mm,
      atrial_width_right_mm, atrial_width_mm (the wider of the two) and ventricle_brain_ratio;
    - for the head: biparietal_mm, occipito_frontal_mm, transcerebellar_mm, cortical_thickness_mm
      (its mean), cortical_thickness_p5_mm (its 5th percentile) and gyrification_index.
    """
    brain = crop_with_rim(label)
    arguments = brain, spacing, table
    columns: JsonObject = {}
    columns |= {f"volume_ml_{name}": ml for name, ml in volumes_ml(*arguments).items()}
    columns |= _measure_ventricles(*arguments)
    columns["biparietal_mm"] = biparietal_mm(*arguments)
    columns["occipito_frontal_mm"] = occipito_frontal_mm(*arguments)
    columns["transcerebellar_mm"] = transcerebellar_mm(*arguments)
    thickness = cortical_thickness_mm(*arguments)
    columns["cortical_thickness_mm"] = thickness["mean"]
    columns["cortical_thickness_p5_mm"] = thickness["p5"]
    columns["gyrification_index"] = gyrification(*arguments)
    pieces, numbers = topology(brain, table)
    columns |= {f"components_{name}": n for name, n in pieces.items()}
    columns |= {f"euler_{name}": n for name, n in numbers.items()}
    return columns


def _measure_ventricles(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    """Return the columns of the lateral ventricles, which are segmented once for all of them."""
    columns: JsonObject = {
        "volume_ml_lateral_ventricles": None,
        "atrial_width_mm": None,
        "atrial_width_left_mm": None,
        "atrial_width_right_mm": None,
        "ventricle_brain_ratio": None,
    }
    if "ventricles" not in table.names:
        return columns
    lateral, widths = lateral_ventricles_and_widths(label, spacing, table)
    columns["volume_ml_lateral_ventricles"] = float(lateral.sum() * np.prod(spacing) / 1000)
    columns["atrial_width_mm"] = max((w for w in widths.values() if w is not None), default=None)
    columns["atrial_width_left_mm"] = widths["left"]
    columns["atrial_width_right_mm"] = widths["right"]
    columns["ventricle_brain_ratio"] = lateral_brain_ratio(lateral, label, table)
    return columns
