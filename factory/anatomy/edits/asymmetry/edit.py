"""One cerebral hemisphere, or its lateral ventricle, smaller or larger than it was."""

from typing import Any

import edt
import numpy as np

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.repaint import fill_with_fluid
from factory.anatomy.deformation.root_finding import solve_for_measure
from factory.anatomy.deformation.velocity import (
    EASE_MM,
    at_nodes,
    below_skull,
    offsets_mm,
    smoothstep,
    swelling_velocity,
    warp_keeping_topology,
    warp_label,
)
from factory.anatomy.deformation.warp import pull_image, pull_label
from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.anatomy.regions import CEREBRUM, midline_x
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "asymmetry"
SIDES = ("left", "right")
LIMITS = {"hemisphere_share": (-0.4, 0.2), "ventricle_share": (-0.6, 1.5)}
MOST = {"hemisphere_share": 0.8, "ventricle_share": 12.0}
"""The furthest a velocity is followed: as a logarithm of lengths, and in mm."""
TOLERANCE = 0.02
MIDLINE_MM = 12.0
"""How far from the midline the scaling of a hemisphere has come to its full."""
TENTORIUM_MM = 14.0
"""How far from cerebellum and brainstem it has."""
WALL_MM = 4.0
"""How far from the ventricle's wall the white matter makes up for it."""
ATTEMPTS = 3
"""How often it is aimed anew, where the topology held some of the change back."""


def asymmetry(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    side: str,
    hemisphere_share: float | None = None,
    ventricle_share: float | None = None,
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """One hemisphere's volume changed by a share, then its lateral ventricle's; the skull stays.

    side: "left" or "right", the patient's. hemisphere_share: by how much grey, white and deep
    grey matter and ventricle of that side change together, -0.4 to 0.2 of what they were. It is a
    scaling about the midline that fades towards the other side and spares cerebellum and
    brainstem. What a smaller hemisphere leaves becomes external CSF (background where the table
    has none); a larger one grows into the external CSF that there is. ventricle_share: by how
    much the lateral ventricle changes, -0.6 to 1.5 of what it was at first; the white matter
    about it gives way, or makes up for it. Without it the ventricle goes with its hemisphere.

    Shares are reached within 0.02, of the volume then where that is larger. Returns new label
    (uint8), image (float32, or None) and a record: requested and achieved shares, the Jacobian's
    extremes, every volume before. Components and Euler number of all tissues but the external
    CSF stay. Inputs stay as they are. Raises AnatomyError with the nearest share there can be
    where one is out of reach, and for a side that has no hemisphere or no lateral ventricle.
    """
    wanted = _wanted(side, hemisphere_share, ventricle_share)
    if not (label > 0).any():
        raise AnatomyError(f"{NAME}: the label map is empty")
    box = box_with_margin(label > 0, tuple(int(EASE_MM / s) + 1 for s in spacing))
    old, skull = label[box], label[box] > 0
    apart = np.arange(label.shape[2]) - midline_x(label)[:, :, None]
    into = (apart * (-spacing[2] if side == "left" else spacing[2]))[box].astype(np.float32)
    csf = table.names.index("external_csf") if "external_csf" in table.names else 0
    # Beyond the skull lies what a shrinking brain draws in.
    new = np.where(skull, old, np.uint8(csf))
    painted = None if image is None else image.astype(np.float32)
    record: dict[str, Any] = {"jacobian_min": 1.0, "jacobian_max": 1.0}
    at_first = {name: _part(name, new, into, spacing, table).sum() for name in wanted}
    for name, share in wanted.items():
        if not at_first[name]:
            raise AnatomyError(f"{NAME}: nothing for {name} to change on the {side} side")
        part = _part(name, new, into, spacing, table)
        if name == "hemisphere_share":
            velocity = _scaling(part, new, skull, into, spacing, table, share > 0)
        else:
            all_of_them = new == table.index("ventricles")
            velocity = swelling_velocity(all_of_them, spacing, WALL_MM) * below_skull(
                skull, spacing
            )
            velocity *= smoothstep(at_nodes(into, spacing), MIDLINE_MM / 2)
        aim, tolerance = share, TOLERANCE * max(1.0, 1 + share)
        for _ in range(ATTEMPTS):
            amount = _solved(name, part, at_first[name], into, spacing, velocity, aim)
            along = velocity * np.float32(amount)
            led, places, carried = warp_keeping_topology(new, spacing, along, skull)
            achieved = float(_part(name, led, into, spacing, table).sum() / at_first[name] - 1)
            if abs(achieved - share) <= tolerance / 2:
                break
            aim += share - achieved
        if abs(achieved - share) > tolerance:
            there = f"with the topology kept it comes to {achieved:.2f}"
            raise AnatomyError(f"{NAME}: {name} is {share:g}; {there}")
        new = led
        record |= {f"requested_{name}": share, f"achieved_{name}": achieved}
        for key, worse in (("jacobian_min", min), ("jacobian_max", max)):
            record[key] = worse(record[key], carried[key])
        if painted is not None:
            drawn_in = skull & ~pull_label(skull, places)
            painted[box][skull] = pull_image(painted[box], places[:, skull])
            if csf:
                fluid = (new == csf) & skull & ~drawn_in
                fill_with_fluid(painted[box], fluid, drawn_in, spacing)
    edited = label.copy()
    edited[box][skull] = new[skull]
    check_invariants(label, edited, table, record, NAME, free=("external_csf",))
    return edited, painted, record | volumes_before(label, spacing, table)


def _wanted(side: str, hemisphere: float | None, ventricle: float | None) -> dict[str, float]:
    if side not in SIDES:
        raise AnatomyError(f"{NAME}: side is {side!r}; allowed are {', '.join(SIDES)}")
    asked = {"hemisphere_share": hemisphere, "ventricle_share": ventricle}
    wanted = {name: float(share) for name, share in asked.items() if share is not None}
    if not wanted:
        raise AnatomyError(f"{NAME}: no hemisphere_share and no ventricle_share is given")
    for name, share in wanted.items():
        low, high = LIMITS[name]
        if not low <= share <= high:
            raise AnatomyError(f"{NAME}: {name} is {share:g}; allowed are {low:g} to {high:g}")
    return wanted


def _part(
    name: str, label: np.ndarray, into: np.ndarray, spacing: Spacing, table: LabelTable
) -> np.ndarray:
    """The hemisphere, or its lateral ventricle; bool [z, y, x]. into: mm into its side."""
    if name == "ventricle_share":
        # What lies about the skull is no head to find the midline of.
        head = np.where(label == _csf(table), np.uint8(0), label)
        return lateral_ventricles(head, spacing, table) & (into > 0)
    values = [table.names.index(n) for n in CEREBRUM if n in table.names]
    return np.isin(label, values) & (into > 0)


def _csf(table: LabelTable) -> int:
    return table.names.index("external_csf") if "external_csf" in table.names else 0


def _scaling(
    part: np.ndarray,
    label: np.ndarray,
    skull: np.ndarray,
    into: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    larger: bool,
) -> np.ndarray:
    """The velocity that enlarges a hemisphere about the midline beside its middle."""
    z, y, x = (float(i) for i in np.argwhere(part).mean(0))
    middle = x - into[round(z), round(y), round(x)] / spacing[2] * (
        1 if into[0, 0, -1] > into[0, 0, 0] else -1
    )
    weight = smoothstep(at_nodes(into, spacing), MIDLINE_MM)
    spared = [table.names.index(n) for n in ("cerebellum", "brainstem") if n in table.names]
    below = np.isin(label, spared)
    if below.any():
        weight *= smoothstep(at_nodes(edt.edt(~below, anisotropy=spacing), spacing), TENTORIUM_MM)
    if larger:
        weight *= below_skull(skull, spacing)
    return -weight * offsets_mm(label.shape, spacing, (z, y, middle))


def _solved(
    name: str,
    part: np.ndarray,
    volume: float,
    into: np.ndarray,
    spacing: Spacing,
    velocity: np.ndarray,
    share: float,
) -> float:
    """How far to follow a velocity, backwards where it is negative, to change a part's volume."""
    present = part.sum() / volume - 1
    sign = 1.0 if share > present else -1.0

    def measured(amount: float) -> float:
        moved, _ = warp_label(part, spacing, velocity * np.float32(sign * amount))
        return float((moved & (into > 0)).sum() / volume - 1)

    refusal = f"{NAME}: {name} is {share:g}; the nearest this head allows is {{nearest:.2f}}"
    most, tolerance = MOST[name], TOLERANCE * max(1.0, 1 + share)
    try:
        found = solve_for_measure(measured, share, present, tolerance / 3, most / 8, most, refusal)
    except AnatomyError:  # coarse voxels move in steps, which may pass over the share
        found = solve_for_measure(measured, share, present, tolerance, most / 8, most, refusal)
    return sign * found.amount
