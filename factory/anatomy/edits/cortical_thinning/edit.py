"""Make the cortex thinner: grey matter becomes CSF on the outside or white matter on the inside.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import edt
import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.repaint import repaint_changed
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "cortical_thinning"
GAINS = ("external_csf", "white_matter")
SMOOTH_VOXELS = 0.7
"""Blur of distances, which change in steps between voxels: otherwise raster order breaks ties."""
CORRECTIONS = 4
"""How often the share of depth is corrected by the thickness that it gives."""
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
    ribbon = _Ribbon(label[box], spacing, table, gains)
    record: JsonObject = {"gains": gains}
    if share is not None:
        thinned = ribbon.remove_share(share)
        record["requested_share"] = float(share)
    elif thickness_mm is not None:
        thinned, before_mm, after_mm = ribbon.thin_to(thickness_mm)
        record |= {
            "requested_thickness_mm": float(thickness_mm),
            "before_thickness_mm": before_mm,
            "achieved_thickness_mm": after_mm,
        }
    record["achieved_share"] = float((thinned != ribbon.label).sum() / ribbon.cortex.sum())
    new = label.copy()
    new[box] = thinned
    return new, repaint_changed(image, label, new, spacing), record


def _check_tissues(label: np.ndarray, table: LabelTable, gains: str) -> None:
    """Raise AnatomyError if a tissue is missing."""
    if gains not in GAINS:
        raise AnatomyError(f"{NAME}: gains is {gains!r}; allowed are {', '.join(GAINS)}")
    for name in ("grey_matter", "white_matter", gains):
        if name not in table.names:
            raise AnatomyError(f"{NAME}: no {name} in the labels: {', '.join(table.names)}")
    for name in ("grey_matter", "white_matter"):
        if not (label == table.index(name)).any():
            raise AnatomyError(f"{NAME}: the label map has no {name}")


class _Ribbon:
    """The cortical ribbon of a label map, whose voxels are removed in the order of their depth.

    Attributes:
        label: uint8 [z, y, x] before.
        cortex: The grey matter, bool [z, y, x].
        depth: How deep each voxel lies in the cortex, from 0 on the side that loses to 1.
        removable: Indices of the voxels that can be removed, by depth.
    """

    def __init__(self, label: np.ndarray, spacing: Spacing, table: LabelTable, gains: str) -> None:
        self.label, self.spacing, self.table = label, spacing, table
        self.gained_value = table.index(gains)
        self.cortex = label == table.index("grey_matter")
        self.depth, free = _depth_in_cortex(label, spacing, table, gains)
        removable = np.flatnonzero(self.cortex & free)
        self.removable = removable[np.argsort(self.depth.ravel()[removable], kind="stable")]

    def remove_share(self, share: float) -> np.ndarray:
        """Return the label map without a share of the cortex's volume."""
        return self._remove(round(share * int(self.cortex.sum())), f"share is {share:g}")

    def thin_to(self, target_mm: float) -> tuple[np.ndarray, float, float]:
        """Return the label map with a mean thickness, and the thickness before and after, mm."""
        depths = np.sort(self.depth[self.cortex])
        tolerance_mm = min(self.spacing) / 2

        def thin(depth: float) -> np.ndarray:
            return self._remove(int(np.searchsorted(depths, depth)), f"{target_mm:g} mm requested")

        new = thin(0.0)
        before_mm = after_mm = self._thickness_mm(new)
        if before_mm is None or not 0 < target_mm <= before_mm:
            text = "has no thickness" if before_mm is None else f"is {before_mm:.2f} mm thick"
            raise AnatomyError(
                f"{NAME}: thickness_mm is {target_mm:g}; the cortex {text}; "
                "allowed is more than 0, up to its thickness"
            )
        depth = 0.0
        for _ in range(CORRECTIONS):
            if after_mm is None or abs(after_mm - target_mm) <= tolerance_mm / 2:
                break
            depth += (after_mm - target_mm) / before_mm
            new = thin(depth)
            after_mm = self._thickness_mm(new)
        if after_mm is None or abs(after_mm - target_mm) > tolerance_mm:
            raise AnatomyError(f"{NAME}: {target_mm:g} mm requested; it comes to {after_mm} mm")
        return new, before_mm, after_mm

    def _remove(self, count: int, request: str) -> np.ndarray:
        """Return the label map without the first voxels by depth; raise AnatomyError if too many.

        request: What was requested, for the message.
        """
        if count > len(self.removable):
            most = len(self.removable) / self.cortex.sum()
            text = f"one voxel of depth stays, so the largest share is {most:.2f}"
            raise AnatomyError(f"{NAME}: {request}; {text}")
        new = self.label.copy()
        new.ravel()[self.removable[:count]] = self.gained_value
        return new

    def _thickness_mm(self, label: np.ndarray) -> float | None:
        return cortical_thickness_mm(label, self.spacing, self.table)["mean"]


def _depth_in_cortex(
    label: np.ndarray, spacing: Spacing, table: LabelTable, gains: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return how deep each voxel lies in the cortex, and which voxels can be removed.

    Returns:
        The depth, 0 on the side that loses and 1 on the other; and all voxels but the last ones,
        bool [z, y, x].
    """
    inward_mm = _distance_to_white_mm(label, spacing, table)
    outward_mm = _distance_to_outside_mm(label, inward_mm, spacing, table)
    near, far = (outward_mm, inward_mm) if gains == "external_csf" else (inward_mm, outward_mm)
    last = ndimage.binary_dilation(far == 0) | (far < 0.6 * np.mean(spacing))
    half = float(np.mean(spacing)) / 2
    near, far = (ndimage.gaussian_filter(d, SMOOTH_VOXELS) - half for d in (near, far))
    return near / np.maximum(near + far, half), ~last


def _distance_to_white_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """Return the distance between voxels' centres to the white matter, mm [z, y, x]."""
    outside = label != table.index("white_matter")
    distance_mm: np.ndarray = edt.edt(outside, anisotropy=spacing, black_border=False)
    return distance_mm


def _distance_to_outside_mm(
    label: np.ndarray, inward_mm: np.ndarray, spacing: Spacing, table: LabelTable
) -> np.ndarray:
    """Return the distance between voxels' centres to background or external CSF, mm [z, y, x].

    Where two banks of a sulcus touch, without visible CSF between them, their seam counts as
    outside too.
    """
    inside = label != 0
    if "external_csf" in table.names:
        inside &= label != table.index("external_csf")
    outward_mm: np.ndarray = edt.edt(inside, anisotropy=spacing, black_border=False)
    seams = _find_seams(label == table.index("grey_matter"), inward_mm, spacing)
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
