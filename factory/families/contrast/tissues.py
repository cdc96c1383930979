"""What a label shows: the tissue that its name speaks of.

A preset knows how tissues look, and label tables have names such as "left_cerebral_cortex". The
words of a name decide its tissue; the first rule that fits counts.
"""

import re

from factory.storage.subjects.label_names import left_right_pairs

TISSUE_WORDS: tuple[tuple[str, str], ...] = (
    ("air", r"air|background|sinus|trachea|bronch\w*"),
    ("lung", r"lungs?"),
    ("vessel", r"vessels?|arter\w+|veins?|aorta|cava|portal|blood|pool|lv|rv|atrium|lv_pool"),
    ("myocardium", r"myocardium|heart|ventricular_wall"),
    ("fluid", r"csf|ventricles?|lat_vent|vent|cavum|fluid|cyst|bladder|eyes?|bile|gallbladder"),
    ("choroid_plexus", r"choroid"),
    ("cancellous_bone", r"cancellous|marrow|vertebra\w*|spongy"),
    ("bone", r"bones?|skull|rib|ribs|femur|tibia|pelvis|cortical_bone"),
    ("cartilage", r"cartilage|meniscus|discs?"),
    ("fat", r"fat|adipose|subcutaneous"),
    ("skin", r"skin|scalp"),
    ("lesion", r"lesions?|hypointensities|edema|oedema|tumou?r|stroke|infarct"),
    (
        "white_matter",
        r"white|wm|callosum|cc|ventraldc|brain_stem|brainstem|brain_stem|pons|spinal_cord|optic"
        r"|pallidum|fornix|midbrain|medulla",
    ),
    ("deep_grey_matter", r"thalamus|deep|putamen|caudate|accumbens|deep_gr[ae]y"),
    ("grey_matter", r"gr[ae]y|gm|cortex|ctx|hippocamp\w+|amygdala|insula|cerebellum|claustrum"),
    ("liver", r"liver|hepatic"),
    ("spleen", r"spleen"),
    ("kidney", r"kidneys?|renal"),
    ("pancreas", r"pancreas"),
    ("prostate", r"prostate|gland"),
    ("muscle", r"muscles?|muscularis|psoas|rectus|tongue|soft_tissue|soft|mucosa|body"),
)
"""Tissues, each with the words of label names that mean it."""

_RULES = tuple(
    (tissue, re.compile(rf"(?:^|_)(?:{words})(?:_|$)")) for tissue, words in TISSUE_WORDS
)

OTHER = "other"
"""The tissue of a label whose name says nothing."""


def tissue_of(label_name: str) -> str:
    """Return the tissue that a label's name speaks of, or "other".

    Args:
        label_name: A label's name, e.g. "left_cerebral_white_matter".
    """
    return next((tissue for tissue, rule in _RULES if rule.search(label_name)), OTHER)


def class_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the class of each label: labels of one class are given one contrast.

    Both sides of a structure are one class, since they look alike; it is called by its left side.
    Every other label is a class of its own.

    Args:
        names: The names of a label table.
    """
    left_of = {right: left for left, right in left_right_pairs(names)}
    return tuple(left_of.get(name, name) for name in names)
