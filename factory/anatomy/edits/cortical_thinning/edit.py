"""A thinner cortex: cortical grey matter that gives way to CSF without or to white matter within.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Callable
from typing import Any

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.repaint import repainted
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "cortical_thinning"
GAINS = ("external_csf", "white_matter")
SMOOTH_VOXELS = 0.7
"""Blur of distances, which come in leaps between voxels: ties would be broken by raster order."""
CORRECTIONS = 4
"""Times that the share of depth is put right by the thickness that it gives."""
CREST_SLOPE = 0.6
"""Slope (mm a mm) of the distance to white matter below which a voxel lies on a crest of it."""


def cortical_thinning(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    share: float | None = None,
    thickness_mm: float | None = None,
    gains: str = "external_csf",
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Cortical grey matter thinned by a share of itself, or to a mean thickness.

    gains: what it becomes. "external_csf": its outer part, as in atrophy, where sulci open;
    "white_matter": its inner part, where the brain keeps its outside. Everywhere by the same
    share of the depth; the cortex stays unbroken, since its last voxel (next to white matter, or
    to the outside) is never taken. share: of the cortex's volume, exact to a voxel. thickness_mm:
    as measure.cortical_thickness_mm has it on average, within half a voxel.

    Invariants: only grey matter changes, and only into `gains`; a larger share takes what a
    smaller one took and more; 0 changes nothing. Returns new label (uint8), image (float32, or
    None) and a record. Inputs stay as they are. Raises AnatomyError for tissues that the table or
    the label map lacks, for both or neither of share and thickness_mm, for a cortex thinner than
    asked for already, and for more than can be taken, with the most that can.
    """
    cortex_value, gained_value = _values(label, table, gains)
    if (share is None) == (thickness_mm is None):
        raise AnatomyError(f"{NAME}: one of share and thickness_mm is needed")
    if share is not None and not 0 <= share <= 1:
        raise AnatomyError(f"{NAME}: share is {share}; allowed are 0 to 1")
    box = box_with_margin(label > 0, (1, 1, 1))
    old = label[box]
    cortex = old == cortex_value
    depth, free = _depth(old, spacing, table, gains)
    places = np.flatnonzero(cortex & free)
    places = places[np.argsort(depth.ravel()[places], kind="stable")]

    def thinned(count: int) -> np.ndarray:
        if count > len(places):
            most = len(places) / cortex.sum()
            asked = f"share is {share:g}" if share is not None else f"{thickness_mm:g} mm asked for"
            raise AnatomyError(
                f"{NAME}: {asked}; one voxel of depth stays, so the largest share is {most:.2f}"
            )
        new = old.copy()
        new.ravel()[places[:count]] = gained_value
        return new

    record: dict[str, Any] = {"gains": gains}
    if thickness_mm is None:
        assert share is not None
        taken = thinned(round(share * int(cortex.sum())))
        record["requested_share"] = float(share)
    else:
        depths = np.sort(depth[cortex])
        taken, before, after = _to_thickness(
            lambda part: thinned(int(np.searchsorted(depths, part))),
            lambda new: cortical_thickness_mm(new, spacing, table)["mean"],
            thickness_mm,
            min(spacing) / 2,
        )
        record |= {
            "requested_thickness_mm": float(thickness_mm),
            "before_thickness_mm": before,
            "achieved_thickness_mm": after,
        }
    record["achieved_share"] = float((taken != old).sum() / cortex.sum())
    new = label.copy()
    new[box] = taken
    return new, repainted(image, label, new, spacing), record


def _to_thickness(
    thinned: Callable[[float], np.ndarray],
    measured: Callable[[np.ndarray], float | None],
    wanted: float,
    tolerance: float,
) -> tuple[np.ndarray, float, float]:
    """Thinned by that share of depth which leaves a thickness; and that before and after, in mm."""
    new = thinned(0.0)
    before = after = measured(new)
    if before is None or not 0 < wanted <= before:
        there = "has no thickness" if before is None else f"is {before:.2f} mm thick"
        raise AnatomyError(
            f"{NAME}: thickness_mm is {wanted:g}; the cortex {there}; allowed is less than it has"
        )
    part = 0.0
    for _ in range(CORRECTIONS):
        if after is None or abs(after - wanted) <= tolerance / 2:
            break
        part += (after - wanted) / before
        new = thinned(part)
        after = measured(new)
    if after is None or abs(after - wanted) > tolerance:
        raise AnatomyError(f"{NAME}: {wanted:g} mm asked for; it comes to {after} mm")
    return new, before, after


def _values(label: np.ndarray, table: LabelTable, gains: str) -> tuple[int, int]:
    if gains not in GAINS:
        raise AnatomyError(f"{NAME}: gains is {gains!r}; allowed are {', '.join(GAINS)}")
    for name in ("grey_matter", "white_matter", gains):
        if name not in table.names:
            raise AnatomyError(f"{NAME}: no {name} in the labels: {', '.join(table.names)}")
    for name in ("grey_matter", "white_matter"):
        if not (label == table.index(name)).any():
            raise AnatomyError(f"{NAME}: the label map has no {name}")
    return table.index("grey_matter"), table.index(gains)


def _inward(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Millimetres between voxels' centres to the white matter."""
    outside = label != table.index("white_matter")
    return edt.edt(outside, anisotropy=spacing, black_border=False)


def _outward(
    label: np.ndarray, inward: np.ndarray, spacing: Spacing, table: LabelTable
) -> np.ndarray:
    """Millimetres between voxels' centres to the background or external CSF.

    Where two banks of a sulcus touch and no CSF is seen between, their seam is an outside too.
    """
    inside = label != 0
    if "external_csf" in table.names:
        inside &= label != table.index("external_csf")
    outward = edt.edt(inside, anisotropy=spacing, black_border=False)
    seams = _seams(label == table.index("grey_matter"), inward, spacing)
    if seams.any():  # it runs through its voxels; an outside begins half a voxel before its own
        to_seam = edt.edt(~seams, anisotropy=spacing, black_border=False)
        np.minimum(outward, to_seam + np.mean(spacing) / 2, out=outward)
    return outward


def _seams(cortex: np.ndarray, inward: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Cortex midway between white matter on either side, where the distance to it has a crest.

    Elsewhere a distance changes by a mm a mm.
    """
    seams = np.zeros_like(cortex)
    inside = tuple(slice(1, n - 1) for n in cortex.shape)
    places = np.flatnonzero(_only(cortex, inside) & (inward > 1.9 * max(spacing)))
    flat, slope = inward.ravel(), np.zeros(len(places), np.float32)
    for stride, s in zip((a // inward.itemsize for a in inward.strides), spacing, strict=True):
        slope += ((flat[places + stride] - flat[places - stride]) / (2 * s)) ** 2
    seams.ravel()[places[slope < CREST_SLOPE**2]] = True
    return seams


def _only(mask: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    within = np.zeros_like(mask)
    within[box] = mask[box]
    return within


def _depth(
    label: np.ndarray, spacing: Spacing, table: LabelTable, gains: str
) -> tuple[np.ndarray, np.ndarray]:
    """How deep each voxel lies in the cortex, 0 at the side that yields and 1 at the other; and
    bool, what may be taken: all but the last voxel."""
    inward = _inward(label, spacing, table)
    outward = _outward(label, inward, spacing, table)
    near, other = (outward, inward) if gains == "external_csf" else (inward, outward)
    last = ndimage.binary_dilation(other == 0) | (other < 0.6 * np.mean(spacing))
    half = float(np.mean(spacing)) / 2
    near, other = (ndimage.gaussian_filter(d, SMOOTH_VOXELS) - half for d in (near, other))
    return near / np.maximum(near + other, half), ~last
