"""The names of the measures of a label map, and the labels that they need.

This module imports nothing heavy, so that a recipe is checked at once. The measures themselves are
in `factory.anatomy.measures`.
"""

from collections.abc import Collection, Mapping

STRUCTURE_MEASURES = ("volume_ml", "extent_mm", "largest_width_mm", "components", "euler")
"""Measures of any label and any region. Their columns end in its name."""

Needs = tuple[tuple[str, ...], ...]
"""The labels that a measure needs: all of one of several sets."""

FETAL_CEREBRUM = ("grey_matter", "white_matter")
ADULT_CEREBRUM = (
    "left_cerebral_cortex",
    "right_cerebral_cortex",
    "left_cerebral_white_matter",
    "right_cerebral_white_matter",
)

HEAD_MEASURES: Mapping[str, Needs] = {
    "volume_ml_lateral_ventricles": (("ventricles", *FETAL_CEREBRUM),),
    "atrial_width_mm": (("ventricles", *FETAL_CEREBRUM),),
    "ventricle_brain_ratio": (("ventricles", *FETAL_CEREBRUM),),
    "biparietal_mm": (FETAL_CEREBRUM,),
    "occipito_frontal_mm": (FETAL_CEREBRUM,),
    "transcerebellar_mm": (("cerebellum", *FETAL_CEREBRUM),),
    "cortical_thickness_mm": (FETAL_CEREBRUM, ADULT_CEREBRUM),
    "gyrification_index": (FETAL_CEREBRUM,),
}
"""Measures of heads, with the labels that they need.

Datasets of built-in tables always have their columns, empty where the labels are missing."""

ORGAN_MEASURES: Mapping[str, Needs] = {
    "heart_checks": (("lv_pool", "myocardium", "rv"),),
    "evans_index": (("left_lateral_ventricle", "right_lateral_ventricle"),),
}
"""Other measures of a whole label map, with the labels that they need."""

WHOLE_MEASURES = {**HEAD_MEASURES, **ORGAN_MEASURES}
"""Measures of a whole label map, with the labels that they need."""

MEASURES = (*STRUCTURE_MEASURES, *WHOLE_MEASURES)
"""All names."""

Choice = Mapping[str, Collection[str] | None]
"""The measures to take, each of the labels and regions with these names; None stands for all."""


def missing_labels(measure: str, names: Collection[str]) -> list[str]:
    """Return the labels that a measure needs and that a table with these names lacks.

    Of several sets of labels it is the one of which the fewest are missing.
    """
    sets = WHOLE_MEASURES.get(measure, ((),))
    return min(([name for name in labels if name not in names] for labels in sets), key=len)


def default_choice(names: Collection[str], has_own_table: bool) -> Choice:
    """Return the measures of a recipe that chooses none.

    Every label and region has its volume and components. Built-in tables have the Euler number and
    all measures of heads beside them, tables of a recipe's own the extents, and those measures of
    heads and hearts whose labels exist.

    Args:
        names: The names of the labels.
        has_own_table: Whether the table is not that of a built-in kind of subjects.
    """
    exists = [name for name in WHOLE_MEASURES if not missing_labels(name, names)]
    if has_own_table:
        return dict.fromkeys(("volume_ml", "extent_mm", "components", *exists))
    return dict.fromkeys(("volume_ml", "components", "euler", *HEAD_MEASURES, *exists))
