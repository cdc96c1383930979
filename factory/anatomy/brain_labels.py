"""The parts of a head by what they are, whichever of two tables names them.

Tables of fetal brains have the tissues of FeTA. Tables of adult heads have the names of
FreeSurfer, sided, and those of SynthSeg for what lies outside the skull.
"""

from collections.abc import Collection, Sequence

from factory.anatomy.regions import CEREBRUM

SIDES = ("left", "right")
OUTSIDE_SKULL = (
    "background",
    "eyes",
    "soft_tissue",
    "rectus_muscles",
    "mucosa",
    "skin",
    "spinal_cord",
    "cortical_bone",
    "cancellous_bone",
    "optic_nerves",
)
VESSELS = ("arteries", "veins")
BELOW_TENTORIUM = (
    "cerebellum",
    "brainstem",
    "left_cerebellum_cortex",
    "left_cerebellum_white_matter",
    "right_cerebellum_cortex",
    "right_cerebellum_white_matter",
    "brain_stem",
)
FLUID = ("external_csf", "csf")
"""The fluid around the brain."""
WHITE_MATTER = ("white_matter", "left_cerebral_white_matter", "right_cerebral_white_matter")

_VENTRICLES = ("lateral_ventricle", "inf_lat_vent")
_PLEXUS = ("choroid_plexus", "lateral_choroid_plexus", "inferior_choroid_plexus")
_CEREBRUM = (
    "cerebral_white_matter",
    "cerebral_cortex",
    "thalamus",
    "caudate",
    "putamen",
    "pallidum",
    "hippocampus",
    "amygdala",
    "lesion",
    "accumbens_area",
    "ventraldc",
    "vessel",
    "wm_hypointensities",
    "non_wm_hypointensities",
    *_VENTRICLES,
    *_PLEXUS,
)


def lateral_ventricle_names(names: Collection[str], side: str) -> list[str]:
    """List the labels of a side's lateral ventricle: body, horns and what floats in them."""
    return [name for suffix in (*_VENTRICLES, *_PLEXUS) if (name := f"{side}_{suffix}") in names]


def cortex_names(names: Sequence[str]) -> list[str]:
    """List the labels of the cerebral cortex: one, one of each side, or one of each area."""
    tissues = ("grey_matter", "left_cerebral_cortex", "right_cerebral_cortex")
    return [name for name in names if name in tissues or name.startswith(("ctx_lh_", "ctx_rh_"))]


def white_matter_names(names: Sequence[str]) -> list[str]:
    """List the labels of the cerebral white matter."""
    return [name for name in names if name in WHITE_MATTER]


def cerebrum_names(names: Sequence[str]) -> list[str]:
    """List the labels of the cerebrum with its ventricles; all labels if the table has none."""
    cortex = cortex_names(names)
    sided = [f"{side}_{suffix}" for side in SIDES for suffix in _CEREBRUM]
    found_names = [name for name in names if name in (*CEREBRUM, *cortex, *sided)]
    return found_names or list(names[1:])


def fluid_name(names: Sequence[str]) -> str:
    """Return the label of the fluid around the brain; the background if the table has none."""
    return next((name for name in FLUID if name in names), names[0])


def brain_names(names: Sequence[str]) -> list[str]:
    """List the labels of the brain: what lies within the skull, but fluid around it and vessels."""
    return [name for name in names_within_skull(names) if name not in (*FLUID, *VESSELS)]


def names_within_skull(names: Sequence[str]) -> list[str]:
    """List the labels that lie within the skull; in a table without a skull, all of them."""
    return [name for name in names[1:] if name not in OUTSIDE_SKULL]


def counterpart(tissue: str, names: Sequence[str]) -> str:
    """Return the label that a table has for a tissue of FeTA; the tissue if it has it, or none."""
    if tissue not in names and tissue == "white_matter":
        return next(iter(white_matter_names(names)), tissue)
    return tissue
