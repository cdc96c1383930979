"""A thinner cortex: cortical grey matter that gives way to CSF without or to white matter within.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from typing import Any

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.repaint import repainted
from factory.anatomy.ventricles import box_of
from factory.errors import AnatomyError
from storage.subject import LabelTable

Spacing = tuple[float, float, float]

NAME = "cortical_thinning"
GAINS = ("external_csf", "white_matter")
SMOOTH_VOXELS = 0.7
"""Blur of distances, which come in leaps between voxels: ties would be broken by raster order."""
BEYOND_VOXELS = 0.75
"""How far beyond the cortex the two voxels lie that its thickness is measured between, together: 1
where a wall lies along an axis; 0.5 to 0.9 in shells 2 to 5 mm thick of 0.5 to 1 mm voxels."""
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
    to the outside) is never taken. share is exact to a voxel; thickness_mm is reached as nearly
    as the share it amounts to.

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
    box = box_of(label > 0, (1, 1, 1))
    old = label[box]
    cortex = old == cortex_value
    inward = _inward(old, spacing, table)
    outward = _outward(old, inward, spacing, table)
    present = _mean_thickness(outward[cortex], inward[cortex], spacing)
    wanted = share or 0.0
    if thickness_mm is not None:
        if not 0 < thickness_mm <= present:
            raise AnatomyError(
                f"{NAME}: {thickness_mm:g} mm asked for; the cortex is {present:.2f} mm thick, "
                "so allowed is less"
            )
        wanted = 1 - thickness_mm / present
    near, other = (outward, inward) if gains == "external_csf" else (inward, outward)
    last = ndimage.binary_dilation(other == 0) | (other < 0.6 * np.mean(spacing))
    depth = _depth(near, other, spacing)
    places = np.flatnonzero(cortex & ~last)
    count = round(wanted * int(cortex.sum()))
    if thickness_mm is not None:  # in a curved cortex the outer half of its depth is more than half
        count = int((depth[cortex] < wanted).sum())
    if count > len(places):
        most = len(places) / int(cortex.sum())
        raise AnatomyError(
            f"{NAME}: a share of {wanted:.2f} asked for; one voxel of depth stays, so the largest "
            f"is {most:.2f}, which leaves about {present * (1 - most):.2f} mm"
        )
    order = np.argsort(depth.ravel()[places], kind="stable")
    new = label.copy()
    thinned = old.copy()
    thinned.ravel()[places[order[:count]]] = gained_value
    new[box] = thinned
    left = thinned == cortex_value
    if gains == "external_csf":
        outward = _outward(thinned, inward, spacing, table)
    else:
        inward = _inward(thinned, spacing, table)
    record = {
        f"requested_{'share' if thickness_mm is None else 'thickness_mm'}": float(
            wanted if thickness_mm is None else thickness_mm
        ),
        "achieved_share": count / int(cortex.sum()),
        "before_thickness_mm": present,
        "achieved_thickness_mm": _mean_thickness(outward[left], inward[left], spacing),
        "gains": gains,
    }
    return new, repainted(image, label, new, spacing), record


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


def _mean_thickness(outward: np.ndarray, inward: np.ndarray, spacing: Spacing) -> float:
    return float(1 / np.mean(1 / (outward + inward - BEYOND_VOXELS * np.mean(spacing))))


def _depth(near: np.ndarray, other: np.ndarray, spacing: Spacing) -> np.ndarray:
    """How deep a voxel lies in the cortex, 0 at the side that yields, 1 at the other."""
    half = float(np.mean(spacing)) / 2
    near, other = (ndimage.gaussian_filter(d, SMOOTH_VOXELS) - half for d in (near, other))
    return near / np.maximum(near + other, half)
