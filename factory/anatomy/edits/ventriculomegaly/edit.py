"""Widen or narrow the lateral ventricles to an atrial width in mm, as clinicians measure it.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from factory.anatomy.deformation.repaint import paint_fluid, smooth_distance_mm
from factory.anatomy.deformation.root_finding import solve
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.ventriculomegaly.displacement import displace_ventricles
from factory.anatomy.edits.ventriculomegaly.limits import Limits
from factory.anatomy.edits.ventriculomegaly.width_request import WidthRequest, main_sides
from factory.anatomy.lateral_ventricles import connected_gain, lateral_sides, soft_tissue_values
from factory.anatomy.measures import atrial_width_mm as measure_widths_mm
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
    **options: Any,  # those of the mode
) -> EditResult:
    """Widen or narrow the lateral ventricles until the atrium measures atrial_width_mm.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        atrial_width_mm: Width of the atrium on the side that is named, or of the wider one if side
            is "both". It is reached within half a voxel, in at most eight evaluations. 0 leaves
            the ventricles as they are.
        mode: "dilate" grows the ventricles by a ball into the tissues of the option `into`, which
            lose what the ventricles gain. "displace" pushes the brain outwards or lets it follow
            inwards, so that no tissue is replaced; its options are the fields of
            `limits.Limits`.
        side: "both", "left" or "right".
        ratio: How much the other side grows, 0 to 1, compared with the named one: in mm (dilate) or
            in ml (displace). By default it does not grow. Not with side "both".
        image: [z, y, x] or [channel, z, y, x], or None; not changed.
        options: The options of the mode.

    Returns:
        New label (uint8), image (float32, or None) and a record: the width requested, and the
        widths before and after on each side.

    Raises:
        AnatomyError: The width cannot be reached (the message has the nearest that can) or is below
            the present one in mode "dilate", the side has no ventricle, or an option is out of
            range.
    """
    _check_parameters(atrial_width_mm, mode, side, ratio)
    before = _measure_widths_before(label, spacing, table)
    growth = _growth_of_sides(side, ratio)
    present_mm = max((w for s in main_sides(growth) if (w := before[s]) is not None), default=None)
    if present_mm is None:
        place = "the label map" if side == "both" else f"the {side} side"
        raise AnatomyError(f"{NAME}: no atrium of a lateral ventricle in {place}")
    request = WidthRequest(atrial_width_mm or present_mm, present_mm, growth)
    arguments = (label, spacing, table, request, image)
    if mode == "dilate":
        edited, painted, record = _dilate_to_width(*arguments, **options)
    else:
        edited, painted, record = displace_ventricles(*arguments, Limits(**options))
    after = measure_widths_mm(edited, spacing, table)
    record |= {
        "requested_atrial_width_mm": float(atrial_width_mm) or None,
        "achieved_atrial_width_mm": request.widest_mm(after),
        **{f"before_atrial_width_{s}_mm": w for s, w in before.items()},
        **{f"achieved_atrial_width_{s}_mm": w for s, w in after.items()},
    }
    return edited, painted, record


_measure_widths_before = memoize_last_label(measure_widths_mm)


def _check_parameters(width_mm: float, mode: str, side: str, ratio: float | None) -> None:
    """Raise AnatomyError if a parameter is out of range."""
    if not (math.isfinite(width_mm) and width_mm >= 0):
        raise AnatomyError(f"{NAME}: atrial_width_mm is {width_mm}; allowed: 0 or more")
    if mode not in MODES:
        raise AnatomyError(f"{NAME}: mode is {mode!r}; allowed are {', '.join(MODES)}")
    if side not in SIDES:
        raise AnatomyError(f"{NAME}: side is {side!r}; allowed are {', '.join(SIDES)}")
    if ratio is not None and (side == "both" or not 0 <= ratio <= 1):
        raise AnatomyError(f"{NAME}: ratio is {ratio}; allowed are 0 to 1, with side left or right")


def _growth_of_sides(side: str, ratio: float | None) -> dict[str, float]:
    """Return how much each side grows, 1 for a side that must reach the requested width."""
    if side == "both":
        return {"left": 1.0, "right": 1.0}
    return {s: 1.0 if s == side else ratio or 0.0 for s in ("left", "right")}


def _dilate_to_width(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    request: WidthRequest,
    image: np.ndarray | None,
    into: Sequence[str] = GROWS_INTO,
) -> EditResult:
    """Grow the lateral ventricles by a ball until the atrium has the requested width.

    The distances are computed once, for the largest ball there can be.
    """
    target_mm, present_mm = request.target_mm, request.present_mm
    tolerance_mm = min(spacing[1:]) / 2
    if target_mm < present_mm - tolerance_mm:
        text = f"{target_mm:.1f} mm requested, which is less than the present {present_mm:.1f} mm"
        raise AnatomyError(
            f"{NAME}: {text}; mode displace narrows ventricles, mode dilate does not"
        )
    sides = lateral_sides(label, spacing, table)
    box = box_with_margin(label > 0, (1, 1, 1))
    soft = np.isin(label[box], soft_tissue_values(into, table))
    seed = (sides["left"] | sides["right"])[box]
    # A side that grows half as far is twice as distant.
    distance_mm = np.full(soft.shape, np.inf, np.float32)
    for side, share in request.growth.items():
        if share and sides[side].any():
            side_mm = smooth_distance_mm(sides[side][box], spacing)
            np.minimum(distance_mm, side_mm / share, out=distance_mm)

    def dilate(radius_mm: float) -> np.ndarray:
        new = label.copy()
        gained = connected_gain(seed, distance_mm, radius_mm, soft)
        new[box][gained] = table.index("ventricles")
        return new

    def measure(radius_mm: float) -> tuple[float, None]:
        return request.widest_mm(measure_widths_mm(dilate(radius_mm), spacing, table)), None

    max_radius_mm = float(distance_mm[soft].max(initial=0.0))
    first_mm = (target_mm - present_mm) / 2  # a ball of r mm widens a tube by 2 r
    solution = solve(measure, target_mm, present_mm, tolerance_mm, first_mm, max_radius_mm, NAME)
    new = dilate(solution.amount)
    painted = None if image is None else image.astype(np.float32)
    if painted is not None:
        paint_fluid(painted[..., *box], seed, (new != label)[box], spacing)
    return new, painted, {"radius_mm": solution.amount, "evaluations": solution.evaluations}
