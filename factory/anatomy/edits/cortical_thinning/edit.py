"""Make the cortex thinner: grey matter becomes CSF on the outside or white matter on the inside.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Sequence

import edt
import numpy as np

from factory.anatomy.brain_labels import (
    brain_names,
    cortex_names,
    fluid_name,
    white_matter_names,
)
from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.sheets import Sheet, SheetSides
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.anatomy.regions import tissue_mask
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "cortical_thinning"
GAINS = ("external_csf", "white_matter")
CREST_SLOPE = 0.6
"""The distance to white matter has a crest where its slope (mm per mm) is below this."""


def cortical_thinning(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    share: float | None = None,
    thickness_mm: float | None = None,
    gains: str = "external_csf",
    image: np.ndarray | None = None,
) -> EditResult:
    """Thin the cortical grey matter by a share of its volume, or to a mean thickness.

    The cortex loses the same share of its depth everywhere. It stays unbroken, since its last voxel
    (next to white matter, or to the outside) is never removed. Only grey matter changes, and only
    into `gains`. A larger share removes what a smaller one does, and more; 0 changes nothing.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        share: The share of the cortex's volume that is removed, exact to a voxel.
        thickness_mm: Instead of it, the mean thickness to reach, within half a voxel, as
            measures.cortical_thickness_mm defines it.
        gains: What the cortex becomes. "external_csf": its outer part does, as in atrophy, where
            sulci open. "white_matter": its inner part does, and the brain keeps its outside.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record.

    Raises:
        AnatomyError: The table or the label map lacks a tissue, neither or both of share and
            thickness_mm are given, the cortex is already thinner, or so much cannot be removed
            (the message has the largest share).
    """
    _check_tissues(label, table, gains)
    if (share is None) == (thickness_mm is None):
        raise AnatomyError(f"{NAME}: one of share and thickness_mm is needed")
    if share is not None and not 0 <= share <= 1:
        raise AnatomyError(f"{NAME}: share is {share}; allowed are 0 to 1")
    box = box_with_margin(label > 0, (1, 1, 1))
    sheet = _cortical_sheet(label[box], spacing, table, gains)
    record: JsonObject = {"gains": gains}
    if share is not None:
        thinned = sheet.remove_share(share)
        record["requested_share"] = float(share)
    elif thickness_mm is not None:
        thinned, before_mm, after_mm = sheet.thin_to(
            thickness_mm, lambda new: cortical_thickness_mm(new, spacing, table)["mean"],
            "the cortex",
        )  # fmt: skip
        record |= {
            "requested_thickness_mm": float(thickness_mm),
            "before_thickness_mm": before_mm,
            "achieved_thickness_mm": after_mm,
        }
    record["achieved_share"] = sheet.achieved_share(thinned)
    new = label.copy()
    new[box] = thinned
    return new, repaint_changed(image, label, new, spacing), record


def _check_tissues(label: np.ndarray, table: LabelTable, gains: str) -> None:
    """Raise AnatomyError if a tissue is missing."""
    if gains not in GAINS:
        raise AnatomyError(f"{NAME}: gains is {gains!r}; allowed are {', '.join(GAINS)}")
    names = table.names
    tissues = {
        "grey_matter": cortex_names(names),
        "white_matter": white_matter_names(names),
        gains: gaining_names(names, gains),
    }
    for name, labels in tissues.items():
        if not labels:
            raise AnatomyError(f"{NAME}: no {name} in the labels: {', '.join(names)}")
    for name in ("grey_matter", "white_matter"):
        if not tissue_mask(label, table, tissues[name]).any():
            raise AnatomyError(f"{NAME}: the label map has no {name}")


def gaining_names(names: Sequence[str], gains: str) -> list[str]:
    """List the labels of what the cortex becomes, "external_csf" or "white_matter"."""
    if gains == "white_matter":
        return white_matter_names(names)
    return [name for name in (fluid_name(names),) if name != names[0]]


def _cortical_sheet(label: np.ndarray, spacing: Spacing, table: LabelTable, gains: str) -> Sheet:
    """Return the cortex as a sheet that loses to what gains."""
    inward_mm = _distance_to_white_mm(label, spacing, table)
    outward_mm = _distance_to_outside_mm(label, inward_mm, spacing, table)
    sides = SheetSides(outward_mm, inward_mm)
    if gains == "white_matter":
        sides = SheetSides(inward_mm, outward_mm)
    cortex = tissue_mask(label, table, cortex_names(table.names))
    values = np.array(table.indices(gaining_names(table.names, gains)))
    return Sheet(label, spacing, cortex, sides, values, NAME)


def _distance_to_white_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Return the distance between voxels' centres to the white matter, mm [z, y, x]."""
    outside = ~tissue_mask(label, table, white_matter_names(table.names))
    distance_mm: np.ndarray = edt.edt(outside, anisotropy=spacing, black_border=False)
    return distance_mm


def _distance_to_outside_mm(
    label: np.ndarray, inward_mm: np.ndarray, spacing: Spacing, table: LabelTable
) -> np.ndarray:
    """Return the distance between voxels' centres to what is outside the brain, mm [z, y, x].

    Where two banks of a sulcus touch, without visible CSF between them, their seam counts as
    outside too.
    """
    inside = tissue_mask(label, table, brain_names(table.names))
    outward_mm: np.ndarray = edt.edt(inside, anisotropy=spacing, black_border=False)
    cortex = tissue_mask(label, table, cortex_names(table.names))
    seams = _find_seams(cortex, inward_mm, spacing)
    if seams.any():  # a seam runs through its voxels; an outside begins half a voxel before its own
        to_seam = edt.edt(~seams, anisotropy=spacing, black_border=False)
        np.minimum(outward_mm, to_seam + np.mean(spacing) / 2, out=outward_mm)
    return outward_mm


def _find_seams(cortex: np.ndarray, inward_mm: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the cortex midway between two walls of white matter, bool [z, y, x].

    The distance to white matter has a crest there; elsewhere it changes by one mm per mm.
    """
    seams = np.zeros_like(cortex)
    inside = tuple(slice(1, n - 1) for n in cortex.shape)
    places = np.flatnonzero(_crop_mask(cortex, inside) & (inward_mm > 1.9 * max(spacing)))
    flat, slope = inward_mm.ravel(), np.zeros(len(places), np.float32)
    for stride, s in zip(
        (a // inward_mm.itemsize for a in inward_mm.strides), spacing, strict=True
    ):
        slope += ((flat[places + stride] - flat[places - stride]) / (2 * s)) ** 2
    seams.ravel()[places[slope < CREST_SLOPE**2]] = True
    return seams


def _crop_mask(mask: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """Return a mask of the same shape that is False outside a box."""
    cropped = np.zeros_like(mask)
    cropped[box] = mask[box]
    return cropped
