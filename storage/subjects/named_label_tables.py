"""Label tables that recipes call by name: what each value of a file means.

The values are those that the datasets and tools themselves document; the names are written as
`label_names.normalise_label_name` spells them.
"""

from factory.storage.subjects.types import FETA

_FREESURFER_SIDES = {  # left value, right value
    "cerebral_white_matter": (2, 41),
    "cerebral_cortex": (3, 42),
    "lateral_ventricle": (4, 43),
    "inf_lat_vent": (5, 44),
    "cerebellum_white_matter": (7, 46),
    "cerebellum_cortex": (8, 47),
    "thalamus": (10, 49),
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "hippocampus": (17, 53),
    "amygdala": (18, 54),
    "lesion": (25, 57),
    "accumbens_area": (26, 58),
    "ventraldc": (28, 60),
    "vessel": (30, 62),
    "choroid_plexus": (31, 63),
    "wm_hypointensities": (78, 79),
    "non_wm_hypointensities": (81, 82),
}

_FREESURFER_MIDLINE = {
    14: "third_ventricle",
    15: "fourth_ventricle",
    16: "brain_stem",
    24: "csf",
    72: "fifth_ventricle",
    77: "wm_hypointensities",
    80: "non_wm_hypointensities",
    85: "optic_chiasm",
    192: "corpus_callosum",
    251: "cc_posterior",
    252: "cc_mid_posterior",
    253: "cc_central",
    254: "cc_mid_anterior",
    255: "cc_anterior",
}

_CORTICAL_AREAS = (
    "bankssts",
    "caudalanteriorcingulate",
    "caudalmiddlefrontal",
    "corpuscallosum",
    "cuneus",
    "entorhinal",
    "fusiform",
    "inferiorparietal",
    "inferiortemporal",
    "isthmuscingulate",
    "lateraloccipital",
    "lateralorbitofrontal",
    "lingual",
    "medialorbitofrontal",
    "middletemporal",
    "parahippocampal",
    "paracentral",
    "parsopercularis",
    "parsorbitalis",
    "parstriangularis",
    "pericalcarine",
    "postcentral",
    "posteriorcingulate",
    "precentral",
    "precuneus",
    "rostralanteriorcingulate",
    "rostralmiddlefrontal",
    "superiorfrontal",
    "superiorparietal",
    "superiortemporal",
    "supramarginal",
    "frontalpole",
    "temporalpole",
    "transversetemporal",
    "insula",
)
"""The areas of the Desikan-Killiany atlas, in the order of its values from 1."""

_SYNTHSEG_HEAD = {
    136: "left_lateral_choroid_plexus",
    163: "right_lateral_choroid_plexus",
    137: "left_inferior_choroid_plexus",
    164: "right_inferior_choroid_plexus",
    502: "arteries",
    506: "eyes",
    507: "soft_tissue",
    508: "rectus_muscles",
    509: "mucosa",
    511: "skin",
    512: "spinal_cord",
    514: "veins",
    515: "cortical_bone",
    516: "cancellous_bone",
    530: "optic_nerves",
}
"""What the training maps of SynthSeg have beside FreeSurfer's values, by where it lies in them."""


def _sided(values: dict[str, tuple[int, int]]) -> dict[int, str]:
    sides = ("left", "right")
    return {
        value: f"{side}_{name}"
        for name, pair in values.items()
        for side, value in zip(sides, pair, strict=True)
    }


def _freesurfer() -> dict[int, str]:
    areas = {
        base + index: f"ctx_{side}_{name}"
        for side, base in (("lh", 1000), ("rh", 2000))
        for index, name in enumerate(_CORTICAL_AREAS, start=1)
    }
    unknown = {1000: "ctx_lh_unknown", 2000: "ctx_rh_unknown"}
    labels = _sided(_FREESURFER_SIDES) | _FREESURFER_MIDLINE | areas | unknown
    return {0: "background"} | dict(sorted(labels.items()))


NAMED_MAPPINGS: dict[str, dict[int, str]] = {
    "feta": dict(enumerate(FETA.names)),
    "spina-bifida-atlas": {
        0: "background",
        1: "white_matter",
        2: "ventricles",  # all intra-axial CSF, the third and fourth ventricles too
        3: "cerebellum",
        4: "external_csf",
        5: "grey_matter",
        6: "deep_grey_matter",
        7: "brainstem",
        8: "white_matter",  # corpus callosum
    },
    "mnms": {0: "background", 1: "lv_pool", 2: "myocardium", 3: "rv"},
    "freesurfer": _freesurfer(),
}
NAMED_MAPPINGS["synthseg-heads"] = {
    value: name for value, name in NAMED_MAPPINGS["freesurfer"].items() if value < 192
} | _SYNTHSEG_HEAD

MEANINGS: dict[str, dict[str, str]] = {
    "feta": {
        "ventricles": "the lateral, third and fourth ventricles",
        "external_csf": "the fluid around the brain",
    },
    "spina-bifida-atlas": {
        "ventricles": "the lateral, third and fourth ventricles",
        "external_csf": "the fluid around the brain",
    },
}
"""What a name means in a table, where another source gives the name to something else."""
