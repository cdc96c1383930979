"""Measures of a label map: volumes in ml, extents, widths and thickness in mm, folding, pieces.

They are pure functions of a label array [z, y, x] (RAS+: x runs to the patient's right, so the
patient's left lies at low x), its spacing in mm (z, y, x) and its LabelTable. A measure that does
not apply, because the tissue is not in the table or not in the label map, is None.
"""

from collections.abc import Callable, Mapping

import numpy as np

from factory.anatomy.measure_names import (
    MEASURES,
    STRUCTURE_MEASURES,
    Choice,
    default_choice,
)
from factory.anatomy.measures.atrium import atrial_width_mm, lateral_ventricles_and_widths
from factory.anatomy.measures.connectivity import components, euler_number, topology
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.anatomy.measures.diameters import (
    biparietal_mm,
    occipito_frontal_mm,
    transcerebellar_mm,
)
from factory.anatomy.measures.evans_index import evans_index
from factory.anatomy.measures.gyrification import gyrification
from factory.anatomy.measures.heart import heart_checks
from factory.anatomy.measures.structures import Structures
from factory.anatomy.measures.volumes import lateral_brain_ratio, ventricle_brain_ratio, volumes_ml
from factory.imaging.boxes import crop_with_rim
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Grid, LabelTable

__all__ = [
    "atrial_width_mm",
    "biparietal_mm",
    "components",
    "cortical_thickness_mm",
    "euler_number",
    "evans_index",
    "gyrification",
    "measure",
    "occipito_frontal_mm",
    "transcerebellar_mm",
    "ventricle_brain_ratio",
    "volumes_ml",
]


def measure(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    choice: Choice | None = None,
    affine: np.ndarray | None = None,
) -> JsonObject:
    """Measure a label map [z, y, x] and return the columns of its sample.

    The values are plain JSON; each column is computed by the function of the same name:

    - for each label and region but the background: volume_ml_<name>, components_<name> and
      euler_<name> (0 where it is absent); extent_rl_mm_<name>, extent_ap_mm_<name>,
      extent_si_mm_<name> and largest_width_mm_<name>, see `Structures`;
    - for the ventricles: volume_ml_lateral_ventricles, atrial_width_left_mm,
      atrial_width_right_mm, atrial_width_mm (the wider of the two) and ventricle_brain_ratio;
    - for the head: biparietal_mm, occipito_frontal_mm, transcerebellar_mm, cortical_thickness_mm
      (its mean), cortical_thickness_p5_mm (its 5th percentile) and gyrification_index;
    - for the heart: its checks;
    - for adult heads: evans_index.

    Args:
        label: The label map.
        spacing: mm (z, y, x).
        table: What its values mean.
        choice: Which columns; None stands for those of a built-in table.
        affine: 4×4, voxel (x, y, z) to RAS+ mm; None stands for axes along the world's.
    """
    if choice is None:
        choice = default_choice(table.names, has_own_table=False)
    cropped = crop_with_rim(label)
    arguments = cropped, spacing, table
    structures = Structures(*arguments)
    is_flat = label.shape[0] == 1
    if affine is None:
        affine = Grid.centred((1, 1, 1), spacing).affine
    columns: JsonObject = {}
    for name in (name for name in MEASURES if name in choice):
        if name not in STRUCTURE_MEASURES:
            columns |= _WHOLE[name](*arguments)
            continue
        names = tuple(structures.names if choice[name] is None else choice[name] or ())
        columns |= _measure_structures(name, structures, names, affine, is_flat)
    return columns


def _measure_structures(
    measure_name: str,
    structures: Structures,
    names: tuple[str, ...],
    affine: np.ndarray,
    is_flat: bool,
) -> JsonObject:
    """Return the columns of a measure of labels and regions."""
    label, spacing, table = structures.label, structures.spacing, structures.table
    if measure_name == "volume_ml":
        volumes = volumes_ml(label, spacing, table)
        return {f"volume_ml_{name}": volumes.get(name, 0.0) for name in names}
    if measure_name == "extent_mm":
        extents = structures.extents_mm(names, affine, is_flat)
        return {f"extent_{column}": mm for column, mm in extents.items()}
    if measure_name == "largest_width_mm":
        widths = structures.largest_widths_mm(names, is_flat)
        return {f"largest_width_mm_{name}": mm for name, mm in widths.items()}
    # an edit has computed the labels' topology already, and it is remembered
    of_labels = topology(label, table)[0 if measure_name == "components" else 1]
    compute = structures.pieces if measure_name == "components" else structures.euler_numbers
    counts = of_labels | compute(name for name in names if name not in of_labels)
    return {f"{measure_name}_{name}": counts[name] for name in names}


def _lateral_volume(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    lateral = _lateral(label, spacing, table)
    ml = None if lateral is None else float(lateral[0].sum() * np.prod(spacing) / 1000)
    return {"volume_ml_lateral_ventricles": ml}


def _atrial_widths(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    lateral = _lateral(label, spacing, table)
    widths = {"left": None, "right": None} if lateral is None else lateral[1]
    return {
        "atrial_width_mm": max((w for w in widths.values() if w is not None), default=None),
        "atrial_width_left_mm": widths["left"],
        "atrial_width_right_mm": widths["right"],
    }


def _ratio(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    lateral = _lateral(label, spacing, table)
    ratio = None if lateral is None else lateral_brain_ratio(lateral[0], label, table)
    return {"ventricle_brain_ratio": ratio}


def _lateral(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> tuple[np.ndarray, dict[str, float | None]] | None:
    """Return the lateral ventricles and their widths, remembered; None for a table without them."""
    if "ventricles" not in table.names:
        return None
    return lateral_ventricles_and_widths(label, spacing, table)


def _thickness(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    thickness = cortical_thickness_mm(label, spacing, table)
    return {
        "cortical_thickness_mm": thickness["mean"],
        "cortical_thickness_p5_mm": thickness["p5"],
    }


def _checks(label: np.ndarray, spacing: Spacing, table: LabelTable) -> JsonObject:
    return {f"check: {name}": passed for name, passed in heart_checks(label, table).items()}


def _as_column(
    name: str, function: Callable[[np.ndarray, Spacing, LabelTable], float | None]
) -> Callable[[np.ndarray, Spacing, LabelTable], JsonObject]:
    """Return a function that gives the one column of a measure."""
    return lambda *arguments: {name: function(*arguments)}


_WHOLE: Mapping[str, Callable[[np.ndarray, Spacing, LabelTable], JsonObject]] = {
    "volume_ml_lateral_ventricles": _lateral_volume,
    "atrial_width_mm": _atrial_widths,
    "ventricle_brain_ratio": _ratio,
    "biparietal_mm": _as_column("biparietal_mm", biparietal_mm),
    "occipito_frontal_mm": _as_column("occipito_frontal_mm", occipito_frontal_mm),
    "transcerebellar_mm": _as_column("transcerebellar_mm", transcerebellar_mm),
    "cortical_thickness_mm": _thickness,
    "gyrification_index": _as_column("gyrification_index", gyrification),
    "heart_checks": _checks,
    "evans_index": _as_column("evans_index", evans_index),
}
"""The columns of each measure of a whole head or heart."""
