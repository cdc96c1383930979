"""The lateral ventricles: which voxels of the ventricles' label they are, and what they gain.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Sequence

import cc3d
import numpy as np
from scipy import ndimage

from factory.anatomy.regions import midline_x
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.types import LabelTable

SLIT_WIDTH_MM = 6.0
"""Widest third or fourth ventricle; bodies joined over the midline are wider than 10 mm."""
MIDLINE_MM = 1.5
"""How far a slit may lie from the fitted midline."""
MEDIAL_MM = 10.0
"""Half-width of the medial region in which pieces of the fourth ventricle lie."""
MEDIAL_WHITE_SHARE = 0.2
"""A piece within the medial region belongs to the fourth ventricle if a smaller share of its voxels
than this lies beside white matter."""
OUTSIDE = ("background", "external_csf", "ventricles")
"""What ventricles cannot grow into: all that is not brain, and themselves."""


def lateral_ventricles(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Return the ventricle label without the third and the fourth ventricle, bool [z, y, x].

    Some tables have one label for all ventricles. The third ventricle is a slit at the midline
    between the halves of the deep grey matter; the aqueduct and the fourth ventricle continue it
    between brainstem and cerebellum. The lateral ventricles border on white matter, or are wide
    where they meet. So two things are removed: left-to-right runs across the midline of at most
    6 mm that end in white matter on neither side, and the remaining pieces within 10 mm of the
    midline that have hardly any white matter beside them. A cavum with the ventricles' label
    stays, and so does a label map that has lateral ventricles only.

    Raises:
        AnatomyError: The table has no ventricles.
    """
    ventricles: np.ndarray = label == tissue_value("ventricles", table)
    if not ventricles.any():
        return ventricles
    box = box_with_margin(ventricles, (1, 1, 1))
    inside, around = ventricles[box], label[box]
    white = around == (table.names.index("white_matter") if "white_matter" in table.names else -1)
    off_midline_mm = _off_midline_mm(label, spacing, box)
    slit = _midline_slit(inside, white, off_midline_mm, spacing[2])
    lateral = np.zeros_like(ventricles)
    lateral[box] = _remove_medial_pieces(inside & ~slit, white, off_midline_mm)
    return lateral


def lateral_sides(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, np.ndarray]:
    """Return the lateral ventricles left and right of the midline, bool [z, y, x] each."""
    lateral = lateral_ventricles(label, spacing, table)
    left = np.arange(label.shape[2]) < midline_x(label)[:, :, None]
    return {"left": lateral & left, "right": lateral & ~left}


def _off_midline_mm(label: np.ndarray, spacing: Spacing, box: tuple[slice, ...]) -> np.ndarray:
    """Return the distance to the right of the midline within a box, mm [z, y, x]."""
    x = np.arange(label.shape[2])[box[2]]
    distance_mm: np.ndarray = (x - midline_x(label)[box[:2]][..., None]) * spacing[2]
    return distance_mm


def _midline_slit(
    ventricles: np.ndarray, white: np.ndarray, off_midline_mm: np.ndarray, voxel_mm: float
) -> np.ndarray:
    """Return the runs along x that cross the midline, are narrow, and end in no white matter."""
    x = np.arange(ventricles.shape[2])
    at = np.nonzero(ventricles)
    before = np.maximum.accumulate(np.where(ventricles, 0, x), axis=2)[at]
    after = np.minimum.accumulate(np.where(ventricles, x[-1], x)[:, :, ::-1], axis=2)
    after = after[:, :, ::-1][at]
    begins, ends = (*at[:2], before), (*at[:2], after)
    slit: np.ndarray = np.zeros_like(ventricles)
    slit[at] = (after - before - 1) * voxel_mm <= SLIT_WIDTH_MM
    slit[at] &= (off_midline_mm[begins] < MIDLINE_MM) & (off_midline_mm[ends] > -MIDLINE_MM)
    slit[at] &= ~(white[begins] | white[ends])
    return slit


def _remove_medial_pieces(
    ventricles: np.ndarray, white: np.ndarray, off_midline_mm: np.ndarray
) -> np.ndarray:
    """Remove the connected pieces near the midline with hardly any white matter beside them."""
    pieces, count = cc3d.connected_components(ventricles, connectivity=26, return_N=True)
    at = np.nonzero(pieces)
    piece_of = pieces[at]
    reach_mm = np.zeros(count + 1)
    np.maximum.at(reach_mm, piece_of, np.abs(off_midline_mm[at]))
    beside_white = ndimage.maximum_filter(white, 3)[at]
    sizes = np.maximum(np.bincount(piece_of, minlength=count + 1), 1)
    white_share = np.bincount(piece_of, beside_white, count + 1) / sizes
    lateral: np.ndarray = (reach_mm > MEDIAL_MM) | (white_share > MEDIAL_WHITE_SHARE)
    return np.asarray(lateral[pieces])


def soft_tissue_values(names: Sequence[str], table: LabelTable) -> list[int]:
    """Return the label values of tissues that ventricles may grow into.

    Raises:
        AnatomyError: No tissue is named, or one that is unknown or that ventricles cannot enter.
    """
    values = [tissue_value(name, table) for name in names]
    if not values or set(names) & set(OUTSIDE):
        allowed = ", ".join(name for name in table.names if name not in OUTSIDE)
        raise AnatomyError(f"dilate_ventricles: into is {list(names)}; allowed are {allowed}")
    return values


def connected_gain(
    seed: np.ndarray, distance_mm: np.ndarray, radius_mm: float, soft: np.ndarray
) -> np.ndarray:
    """Return the voxels that a seed gains within a radius, bool [z, y, x].

    Args:
        seed: What grows, bool [z, y, x].
        distance_mm: Distance of each voxel from the seed.
        radius_mm: How far the seed grows.
        soft: Where it may grow, bool [z, y, x]. Only voxels that are connected to the seed through
            `soft` (by faces) are gained.
    """
    candidates = seed | ((distance_mm <= radius_mm) & soft)
    pieces = cc3d.connected_components(candidates, connectivity=6)
    gain: np.ndarray = candidates & np.isin(pieces, np.unique(pieces[seed])) & ~seed
    return gain


def tissue_value(name: str, table: LabelTable) -> int:
    """Return the label value of a tissue; raise AnatomyError if the table does not have it."""
    if name not in table.names:
        names, hint = ", ".join(table.names), nearest_name_hint(name, table.names)
        raise AnatomyError(f"no tissue {name!r} in the labels: {names}{hint}")
    return table.names.index(name)
