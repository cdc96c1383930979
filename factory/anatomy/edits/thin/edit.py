"""Make a sheet of tissue thinner, from the side of the label that fills the place.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import edt
import numpy as np

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.sheets import Sheet, SheetSides
from factory.anatomy.edits.structure import label_values, mask_of, structure_mask, volume_ml
from factory.anatomy.measures.cortical_thickness import sheet_thickness_mm
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box, widen_box
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "thin"
MARGIN_VOXELS = 4


def thin(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    into: str,
    share: float | None = None,
    thickness_mm: float | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Thin a sheet by a share of its volume, or to a mean thickness.

    It loses the same share of its depth everywhere, and it stays unbroken: its last voxel, next to
    what is neither the sheet nor `into`, is never removed. Where the sheet does not touch `into`,
    nothing is lost until the rest is gone. A larger share removes what a smaller one does.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region: the sheet.
        into: The label or region that fills the place.
        share: The share of the sheet's volume that is removed, exact to a voxel.
        thickness_mm: Instead of it, the mean thickness to reach, to within half a voxel. It is
            measured from the surface towards `into` to the other one.
        image: [z, y, x] or None; not changed.

    Returns:
        New label, image (float32, or None) and a record.

    Raises:
        AnatomyError: The label map lacks the structure or `into`, they are the same, the sheet is
            already thinner, or so much cannot be removed (the message has the largest share).
    """
    mask, gains = structure_mask(label, table, structure), structure_mask(label, table, into)
    if (mask & gains).any():
        raise AnatomyError(f"{NAME}: into is {into}, a part of {structure}; allowed: another label")
    box = widen_box(bounding_box(mask), (MARGIN_VOXELS,) * 3, label.shape)
    sheet_mask, into_mask = mask[box], gains[box]
    if not into_mask.any():
        raise AnatomyError(f"{NAME}: {structure} does not touch {into}; allowed: what it touches")
    other = ~(sheet_mask | into_mask)
    if not other.any():
        text = f"{into} is on both sides of {structure}; allowed: what is on one side alone"
        raise AnatomyError(f"{NAME}: {text}")
    sides = SheetSides(_distance_mm(into_mask, spacing), _distance_mm(other, spacing))
    values = np.array([v for v in label_values(table, into) if (label[box] == v).any()])
    sheet = Sheet(label[box], spacing, sheet_mask, sides, values, NAME)
    record: JsonObject = {"before_volume_ml": volume_ml(mask, spacing)}
    if thickness_mm is None:
        thinned = sheet.remove_share(share or 0.0)
        record["requested_share"] = float(share or 0.0)
    else:
        names = label_values(table, structure)

        def mean_thickness_mm(new: np.ndarray) -> float | None:
            padding = [(0, 0) if n == 1 else (1, 1) for n in new.shape]
            left_over = np.pad(mask_of(new, names), padding)
            thickness = sheet_thickness_mm(left_over, np.pad(other, padding), spacing)
            return None if thickness is None else float(thickness.mean())

        thinned, before_mm, after_mm = sheet.thin_to(thickness_mm, mean_thickness_mm, structure)
        record |= {
            "requested_thickness_mm": float(thickness_mm),
            "before_thickness_mm": before_mm,
            "achieved_thickness_mm": after_mm,
        }
    record["achieved_share"] = sheet.achieved_share(thinned)
    new = label.copy()
    new[box] = thinned
    record["achieved_volume_ml"] = volume_ml(mask & (new == label), spacing)
    return new, repaint_changed(image, label, new, spacing), record


def _distance_mm(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the distance between voxels' centres to a mask, mm [z, y, x]."""
    distance_mm: np.ndarray = edt.edt(~mask, anisotropy=spacing, black_border=False)
    return distance_mm
