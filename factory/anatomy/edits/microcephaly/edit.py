"""Make the head smaller, to a biparietal and an occipito-frontal diameter.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from functools import partial

import numpy as np

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.root_finding import solve_for_measure
from factory.anatomy.deformation.scaling import Scale, Scaling, shrink_keeping_topology
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.measures import biparietal_mm as measure_biparietal_mm
from factory.anatomy.measures import occipito_frontal_mm as measure_occipito_frontal_mm
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

NAME = "microcephaly"
MIN_SHARE = 0.6
"""The smallest share of a diameter that can remain."""
MEASURES = {
    "biparietal_mm": (measure_biparietal_mm, 2),
    "occipito_frontal_mm": (measure_occipito_frontal_mm, 1),
}
"""The measure and the axis of each diameter."""


def microcephaly(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    biparietal_mm: float | None = None,
    occipito_frontal_mm: float | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Scale the whole head, brain and fluid alike, down to the requested diameters.

    If one diameter is given, the other follows in proportion; the height takes the geometric mean
    of the two. Each is reached within half a voxel, in at most eight evaluations. The folding stays
    that of the larger brain. The components and Euler number of every tissue stay.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        biparietal_mm: Diameter inside the skull, as measures.biparietal_mm defines it.
        occipito_frontal_mm: Diameter inside the skull, as measures.occipito_frontal_mm defines it.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record: diameters requested, achieved and
        before, the Jacobian, every volume before.

    Raises:
        AnatomyError: A diameter cannot be reached (the message has the range), or none is given.
    """
    parameters = {"biparietal_mm": biparietal_mm, "occipito_frontal_mm": occipito_frontal_mm}
    targets = {name: float(mm) for name, mm in parameters.items() if mm is not None}
    if not targets:
        raise AnatomyError(f"{NAME}: no biparietal_mm and no occipito_frontal_mm is given")
    if not (label > 0).any():
        raise AnatomyError(f"{NAME}: the label map is empty")
    present = _measure_diameters(label, spacing, table)
    _check_targets(targets, present, spacing)
    box = box_with_margin(label > 0, (1, 1, 1))
    old = label[box]
    scale, evaluations = _solve_scale(old, spacing, table, targets, present)
    small, blocked = (old, 0) if scale == (1.0, 1.0, 1.0) else shrink_keeping_topology(old, scale)
    achieved = _measure_diameters(small, spacing, table)
    record: JsonObject = {
        "evaluations": evaluations,
        "jacobian_min": 1 / math.prod(scale),
        "voxels_held_by_topology": blocked,
        **{f"requested_{name}": mm for name, mm in targets.items()},
        **{f"before_{name}": mm for name, mm in present.items()},
        **{f"achieved_{name}": mm for name, mm in achieved.items()},
        **volumes_before(label, spacing, table),
    }
    check_invariants(old, small, table, record["jacobian_min"], NAME)
    _check_achieved(targets, achieved, spacing)
    new = label.copy()
    new[box] = small
    painted = None if image is None else image.astype(np.float32)
    if painted is not None and scale != (1.0, 1.0, 1.0):
        painted[..., *box] = Scaling(old, scale).scale_image(painted[..., *box])
    return new, painted, record


def _measure_diameters(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, float]:
    """Return each diameter by name, mm; 0 if the label map has none."""
    return {name: measure(label, spacing, table) or 0.0 for name, (measure, _) in MEASURES.items()}


def _tolerance_mm(name: str, spacing: Spacing) -> float:
    """Return half a voxel along a diameter's axis."""
    return spacing[MEASURES[name][1]] / 2 + 1e-6


def _check_targets(targets: dict[str, float], present: dict[str, float], spacing: Spacing) -> None:
    """Raise AnatomyError if a diameter is out of the range of this head."""
    for name, mm in targets.items():
        most, least = present[name], MIN_SHARE * present[name]
        if not least <= mm <= most + _tolerance_mm(name, spacing):
            allowed = f"this head allows {least:.1f} to {most:.1f} mm"
            raise AnatomyError(f"{NAME}: {name} is {mm:g}; {allowed}")


def _check_achieved(
    targets: dict[str, float], achieved: dict[str, float], spacing: Spacing
) -> None:
    """Raise AnatomyError if a diameter was missed."""
    for name, mm in targets.items():
        if abs(achieved[name] - mm) > _tolerance_mm(name, spacing):
            text = f"with unchanged topology it is {achieved[name]:.1f} mm"
            raise AnatomyError(f"{NAME}: {name} {mm:.1f} mm requested; {text}")


def _solve_scale(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    targets: dict[str, float],
    present: dict[str, float],
) -> tuple[Scale, int]:
    """Return the scale (z, y, x) that gives the diameters, and how many evaluations it took."""
    near = {n: abs(mm - present[n]) <= _tolerance_mm(n, spacing) for n, mm in targets.items()}
    ratios = {n: 1.0 if near[n] else min(mm / present[n], 1.0) for n, mm in targets.items()}
    y, x = (ratios.get(n, min(ratios.values())) for n in ("occipito_frontal_mm", "biparietal_mm"))
    scale, evaluations = [math.sqrt(y * x), y, x], 0

    def measure(name: str, axis: int, loss: float) -> float:
        z, y, x = (1 - loss if a == axis else k for a, k in enumerate(scale))
        scaled = Scaling(label, (z, y, x)).scale_label(label)
        return _measure_diameters(scaled, spacing, table)[name]

    for name, mm in targets.items():
        axis = MEASURES[name][1]
        if near[name]:
            continue
        nearest = "the nearest that can be reached is {nearest:.1f} mm"
        solution = solve_for_measure(
            partial(measure, name, axis),
            mm,
            present[name],
            _tolerance_mm(name, spacing),
            first_amount=1 - ratios[name],
            max_amount=1 - 0.95 * MIN_SHARE,
            refusal=f"{NAME}: {name} {mm:.1f} mm requested; {nearest}",
        )
        scale[axis] = 1 - solution.amount
        evaluations += solution.evaluations
        if len(targets) == 1:
            scale = [1 - solution.amount] * 3
    return (scale[0], scale[1], scale[2]), evaluations
