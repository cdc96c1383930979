"""The lateral ventricles within the ventricles' label, and their sides."""

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
"""How far a slit may lie off the fitted midline."""


MEDIAL_MM = 10.0


MEDIAL_WHITE_SHARE = 0.2
"""A piece that stays this close to the midline, with fewer voxels beside white matter than this
share, belongs to the fourth ventricle."""


OUTSIDE = ("background", "external_csf", "ventricles")
"""What ventricles cannot grow into: all that is not brain, and themselves."""


def lateral_ventricles(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Bool [z, y, x]: the ventricle label without the third and the fourth ventricle.

    Some tables have one label for all of them. The third is a slit at the midline between the
    halves of the deep grey matter, the aqueduct and the fourth go on from it between brainstem
    and cerebellum; the lateral ventricles border white matter, or are wide where they meet. So
    two things are taken away: left-to-right runs across the midline of at most 6 mm that end in
    no white matter on either side, and the pieces this leaves within 10 mm of the midline that
    have next to no white matter beside them. A cavum that bears the ventricles' label stays.

    A label map of lateral ventricles alone comes back as it is. Raises AnatomyError for a table
    without ventricles.
    """
    ventricles = label == _value("ventricles", table)
    if not ventricles.any():
        return ventricles
    box = box_with_margin(ventricles, (1, 1, 1))
    inside, around = ventricles[box], label[box]
    white = around == (table.names.index("white_matter") if "white_matter" in table.names else -1)
    off_midline = _off_midline(label, spacing, box)
    slit = _slit(inside, white, off_midline, spacing[2])
    lateral = np.zeros_like(ventricles)
    lateral[box] = _without_medial_pieces(inside & ~slit, white, off_midline)
    return lateral


def lateral_sides(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, np.ndarray]:
    """The lateral ventricles left and right of the midline, bool [z, y, x]."""
    lateral = lateral_ventricles(label, spacing, table)
    left = np.arange(label.shape[2]) < midline_x(label)[:, :, None]
    return {"left": lateral & left, "right": lateral & ~left}


def _off_midline(label: np.ndarray, spacing: Spacing, box: tuple[slice, ...]) -> np.ndarray:
    """Millimetres to the right of the midline, [z, y, x] of a box."""
    return (np.arange(label.shape[2])[box[2]] - midline_x(label)[box[:2]][..., None]) * spacing[2]


def _slit(
    ventricles: np.ndarray, white: np.ndarray, off_midline: np.ndarray, dx: float
) -> np.ndarray:
    """The runs along x that cross the midline, are narrow, and end in no white matter."""
    x = np.arange(ventricles.shape[2])
    at = np.nonzero(ventricles)
    before = np.maximum.accumulate(np.where(ventricles, 0, x), axis=2)[at]
    after = np.minimum.accumulate(np.where(ventricles, x[-1], x)[:, :, ::-1], axis=2)
    after = after[:, :, ::-1][at]
    begins, ends = (*at[:2], before), (*at[:2], after)
    slit = np.zeros_like(ventricles)
    slit[at] = (after - before - 1) * dx <= SLIT_WIDTH_MM
    slit[at] &= (off_midline[begins] < MIDLINE_MM) & (off_midline[ends] > -MIDLINE_MM)
    slit[at] &= ~(white[begins] | white[ends])
    return slit


def _without_medial_pieces(
    ventricles: np.ndarray, white: np.ndarray, off_midline: np.ndarray
) -> np.ndarray:
    pieces, count = cc3d.connected_components(ventricles, connectivity=26, return_N=True)
    at = np.nonzero(pieces)
    of = pieces[at]
    reach = np.zeros(count + 1)
    np.maximum.at(reach, of, np.abs(off_midline[at]))
    beside_white = ndimage.maximum_filter(white, 3)[at]
    sizes = np.maximum(np.bincount(of, minlength=count + 1), 1)
    share = np.bincount(of, beside_white, count + 1) / sizes
    return ((reach > MEDIAL_MM) | (share > MEDIAL_WHITE_SHARE))[pieces]


def soft_tissues(into: list[str] | tuple[str, ...], table: LabelTable) -> list[int]:
    """The values of tissues that ventricles may grow into. Raises AnatomyError for any other."""
    soft = [_value(name, table) for name in into]
    if not soft or set(into) & set(OUTSIDE):
        allowed = ", ".join(name for name in table.names if name not in OUTSIDE)
        raise AnatomyError(f"dilate_ventricles: into is {list(into)}; allowed are {allowed}")
    return soft


def gained_within(
    seed: np.ndarray, distance: np.ndarray, radius_mm: float, soft: np.ndarray
) -> np.ndarray:
    """What a seed gains of `soft` out to a distance, connected to it through itself and `soft`."""
    candidates = seed | ((distance <= radius_mm) & soft)
    pieces = cc3d.connected_components(candidates, connectivity=6)
    return candidates & np.isin(pieces, np.unique(pieces[seed])) & ~seed


def _value(name: str, table: LabelTable) -> int:
    if name not in table.names:
        hint = nearest_name_hint(name, table.names)
        raise AnatomyError(f"no tissue {name!r} in the labels: {', '.join(table.names)}{hint}")
    return table.names.index(name)
