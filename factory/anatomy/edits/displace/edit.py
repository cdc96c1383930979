"""Grow or shrink a structure to a size, and move what surrounds it.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

from collections.abc import Sequence

import edt
import numpy as np

from factory.anatomy.deformation.structure_growth import (
    SizeRequest,
    Surroundings,
    displace_structures,
)
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.structure import (
    depth_mm,
    label_values,
    mask_of,
    structure_mask,
    volume_ml,
)
from factory.anatomy.measures.widths import inscribed_width_mm
from factory.imaging.boxes import bounding_box, widen_box
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "displace"
VOLUME_TOLERANCE = 0.01
"""Share of the requested volume by which the achieved one may be off, at least two voxels."""


def displace(  # noqa: PLR0913
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    structure: str,
    share: float | None = None,
    to_ml: float | None = None,
    mm: float | None = None,
    width_mm: float | None = None,
    yields: Sequence[str] = (),
    fixed: Sequence[str] = ("background",),
    loss_max: float = 0.3,
    image: np.ndarray | None = None,
) -> EditResult:
    """Move the wall of a structure until it has a size, and everything else with it.

    It has many parameters because those after `table` are the recipe's. The map of space is a
    diffeomorphism, and every label keeps its components and its Euler number.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        structure: A label or region.
        share: The requested volume over that of now; or
        to_ml: the requested volume, ml; or
        mm: how far its wall moves outwards, negative inwards; or
        width_mm: the diameter of the largest ball that fits in it.
        yields: Labels and regions that make room, or gain what the structure loses; by default all
            do so alike. What yields keeps 30 % of its volume at each place.
        fixed: Labels and regions that do not move. Without the background it yields too.
        loss_max: The share of its volume that any other neighbour may lose.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label, image (float32, or None) and a record: the size requested, before and achieved,
        the extremes of the Jacobian, and the largest loss of a neighbour.

    Raises:
        AnatomyError: The label map has no voxel of the structure, the size cannot be reached within
            the limits (the message has the nearest), the map folds, or a topology would change.
    """
    mask = structure_mask(label, table, structure)
    values = label_values(table, structure)
    before_ml = volume_ml(mask, spacing)
    record: JsonObject = {}
    if width_mm is not None:
        request = _width_request(mask, spacing, width_mm, structure)
        record |= {"requested_width_mm": float(width_mm), "before_width_mm": request.present}
    else:
        if mm is not None:
            record["requested_mm"] = float(mm)
            share = _volume_ratio_at_wall(mask, spacing, mm)
        target_ml = to_ml if to_ml is not None else before_ml * (1 if share is None else share)
        request = _volume_request(before_ml, target_ml, spacing, structure)
        record["requested_volume_ml"] = float(target_ml)

    def size_of(new: np.ndarray) -> float:
        after = mask_of(new, values)
        return volume_ml(after, spacing) if width_mm is None else inscribed_width_mm(after, spacing)

    surroundings = Surroundings(_values(table, fixed), _values(table, yields), loss_max)
    moved = displace_structures(
        label, spacing, {structure: mask}, surroundings, request, size_of, NAME
    )
    moved.check(table, NAME)
    if width_mm is not None:
        record["achieved_width_mm"] = size_of(moved.label)
    record["before_volume_ml"] = before_ml
    record["achieved_volume_ml"] = volume_ml(mask_of(moved.label, values), spacing)
    return moved.label, moved.warp_image(image), record | moved.certificate(table)


def _values(table: LabelTable, names: Sequence[str]) -> tuple[int, ...]:
    """Return the values of labels and regions."""
    return tuple(value for name in names for value in label_values(table, name))


def _volume_request(
    before_ml: float, target_ml: float, spacing: Spacing, structure: str
) -> SizeRequest:
    """Return the request of a volume; to within 1 %, or two voxels if they are more."""
    voxel_ml = float(np.prod(spacing) / 1000)
    return SizeRequest(
        present=before_ml,
        target=target_ml,
        tolerance=max(VOLUME_TOLERANCE * target_ml, 2 * voxel_ml),
        words=f"{target_ml:.3g} ml of {structure}",
        unit="ml",
        volume_ratio=target_ml / before_ml,
    )


def _width_request(
    mask: np.ndarray, spacing: Spacing, width_mm: float, structure: str
) -> SizeRequest:
    """Return the request of a largest width; to within half a voxel."""
    present_mm = inscribed_width_mm(mask, spacing)
    return SizeRequest(
        present=present_mm,
        target=width_mm,
        tolerance=max(s for s, n in zip(spacing, mask.shape, strict=True) if n > 1) / 2,
        words=f"a width of {width_mm:.3g} mm of {structure}",
        unit="mm",
        volume_ratio=(width_mm / present_mm) ** 3,
    )


def _volume_ratio_at_wall(mask: np.ndarray, spacing: Spacing, mm: float) -> float:
    """Return the factor of a structure's volume when its wall moves outwards by mm."""
    box = widen_box(bounding_box(mask), [int(max(mm, 0) / s) + 2 for s in spacing], mask.shape)
    inside = mask[box]
    unit = min(s for s, n in zip(spacing, mask.shape, strict=True) if n > 1)
    outwards_mm = edt.edt(~inside, anisotropy=spacing, black_border=False)
    from_wall_mm = np.where(inside, -depth_mm(inside, spacing) + unit / 2, outwards_mm - unit / 2)
    # A voxel counts by the share of it that the wall has passed.
    volume = np.clip((mm - from_wall_mm) / unit + 0.5, 0, 1).sum()
    return float(volume / np.count_nonzero(inside))
