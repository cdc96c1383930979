"""Ventricles widened to an atrial width in mm, as a clinician asks for it.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from typing import Any

import numpy as np

from factory.anatomy.deformation.repaint import paint_fluid, smooth_distance
from factory.anatomy.deformation.root_finding import solve
from factory.anatomy.edits.ventriculomegaly.displacement import displaced_ventricles
from factory.anatomy.lateral_ventricles import gained_within, lateral_sides, soft_tissues
from factory.anatomy.measures import atrial_width_mm as measured_widths
from factory.anatomy.memoize import memoize_last_label
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "ventriculomegaly"
SIDES = ("both", "left", "right")
MODES = ("dilate", "displace")
GROWS_INTO = ("white_matter", "deep_grey_matter")


def ventriculomegaly(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    atrial_width_mm: float,
    mode: str = "dilate",
    side: str = "both",
    ratio: float | None = None,
    image: np.ndarray | None = None,
    **limits: Any,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The lateral ventricles widened until the atrium measures atrial_width_mm.

    atrial_width_mm: of the named side, or of the wider with "both"; reached within half a voxel,
    in at most eight evaluations; 0 leaves the ventricles as they are.
    mode: "dilate" grows the ventricles by a ball into the tissues of `into`, which are eaten;
    "displace" pushes the brain outwards (see displace.displaced_ventricles, whose limits it
    takes): nothing is eaten.
    side, ratio: the other side grows by `ratio` (0 to 1) times as much as the named one: as far
    in mm (dilate) or in ml (displace). By default not at all; with "both" alike.

    Returns new label (uint8), image (float32, or None) and a record: what was asked for, what
    was there, what came out, on each side, and how. Inputs stay as they are. Raises AnatomyError
    with the largest width that can be reached where this one cannot, for a width below the
    present one, for a side with no ventricle, and for limits that are none.
    """
    _check(atrial_width_mm, mode, side, ratio)
    before = _widths_before(label, spacing, table)
    shares = _shares(side, ratio)
    main = [s for s, share in shares.items() if share == 1]
    present = max((w for s in main if (w := before[s]) is not None), default=None)
    if present is None:
        where = "the label map" if side == "both" else f"the {side} side"
        raise AnatomyError(f"{NAME}: no atrium of a lateral ventricle in {where}")
    edit = _dilated if mode == "dilate" else displaced_ventricles
    request = (atrial_width_mm or present, present, main)
    edited, painted, record = edit(label, spacing, table, request, shares, image, **limits)
    after = measured_widths(edited, spacing, table)
    record |= {
        "requested_atrial_width_mm": float(atrial_width_mm) or None,
        "achieved_atrial_width_mm": max(w for s in main if (w := after[s]) is not None),
        **{f"before_atrial_width_{s}_mm": w for s, w in before.items()},
        **{f"achieved_atrial_width_{s}_mm": w for s, w in after.items()},
    }
    return edited, painted, record


_widths_before = memoize_last_label(measured_widths)


def _check(width: float, mode: str, side: str, ratio: float | None) -> None:
    if not (math.isfinite(width) and width >= 0):
        raise AnatomyError(f"{NAME}: atrial_width_mm is {width}; allowed: 0 or more")
    if mode not in MODES:
        raise AnatomyError(f"{NAME}: mode is {mode!r}; allowed are {', '.join(MODES)}")
    if side not in SIDES:
        raise AnatomyError(f"{NAME}: side is {side!r}; allowed are {', '.join(SIDES)}")
    if ratio is not None and (side == "both" or not 0 <= ratio <= 1):
        raise AnatomyError(f"{NAME}: ratio is {ratio}; allowed are 0 to 1, with side left or right")


def _shares(side: str, ratio: float | None) -> dict[str, float]:
    """How much each side grows, 1 for the side whose width was asked for."""
    if side == "both":
        return {"left": 1.0, "right": 1.0}
    return {s: 1.0 if s == side else ratio or 0.0 for s in ("left", "right")}


def _dilated(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    request: tuple[float, float, list[str]],
    shares: dict[str, float],
    image: np.ndarray | None,
    into: list[str] | tuple[str, ...] = GROWS_INTO,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """Grown by a ball. The distances are worked out once, for the largest ball there may be."""
    width, present, main = request
    sides = lateral_sides(label, spacing, table)
    box = box_with_margin(label > 0, (1, 1, 1))
    soft = np.isin(label[box], soft_tissues(into, table))
    seed = (sides["left"] | sides["right"])[box]
    # A side that grows half as far is twice as distant.
    distance = np.full(soft.shape, np.inf, np.float32)
    for side, share in shares.items():
        if share and sides[side].any():
            apart = smooth_distance(sides[side][box], spacing)
            np.minimum(distance, apart / share, out=distance)

    def grown(radius: float) -> np.ndarray:
        new = label.copy()
        new[box][gained_within(seed, distance, radius, soft)] = table.index("ventricles")
        return new

    def measured(radius: float) -> tuple[float, None]:
        widths = measured_widths(grown(radius), spacing, table)
        return max(w for s in main if (w := widths[s]) is not None), None

    furthest = float(distance[soft].max(initial=0.0))
    tolerance = min(spacing[1:]) / 2
    # A ball of r mm widens a tube by 2 r.
    found = solve(measured, width, present, tolerance, (width - present) / 2, furthest, NAME)
    new = grown(found.amount)
    painted = None if image is None else image.astype(np.float32)
    if painted is not None:
        paint_fluid(painted[box], seed, (new != label)[box], spacing)
    return new, painted, {"radius_mm": found.amount, "evaluations": found.evaluations}
