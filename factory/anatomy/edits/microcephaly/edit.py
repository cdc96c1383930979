"""A small head: biparietal and occipito-frontal diameter as asked for."""

import math
from functools import partial
from typing import Any

import numpy as np

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.root_finding import solve_for_measure
from factory.anatomy.deformation.scaling import Scaling, led_smaller
from factory.anatomy.measures import biparietal_mm as measured_biparietal
from factory.anatomy.measures import occipito_frontal_mm as measured_occipito_frontal
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "microcephaly"
LEAST = 0.6
"""The smallest share of a diameter that is left."""
MEASURES = {
    "biparietal_mm": (measured_biparietal, 2),
    "occipito_frontal_mm": (measured_occipito_frontal, 1),
}
"""Each diameter's measure and axis."""


def microcephaly(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    biparietal_mm: float | None = None,
    occipito_frontal_mm: float | None = None,
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The whole head, brain and fluid alike, scaled down to the diameters that were asked for.

    Both as measure.py has them: of all that is labelled, inside the skull. Of one alone the other
    follows in proportion; the height takes the mean (geometric) of the two. Each is reached
    within half a voxel, each in at most eight evaluations. The background's boundary moves in
    with the skull; the folding stays that of the larger brain.

    Returns new label (uint8), image (float32, or None) and a record: requested, achieved and
    before, the Jacobian, every volume before. Components and Euler number of every tissue stay.
    Inputs stay as they are. Raises AnatomyError with the smallest and largest diameter there can
    be for one out of reach, and where neither is asked for.
    """
    asked = {"biparietal_mm": biparietal_mm, "occipito_frontal_mm": occipito_frontal_mm}
    wanted = {name: float(mm) for name, mm in asked.items() if mm is not None}
    if not wanted:
        raise AnatomyError(f"{NAME}: no biparietal_mm and no occipito_frontal_mm is given")
    if not (label > 0).any():
        raise AnatomyError(f"{NAME}: the label map is empty")
    present = _measured(label, spacing, table)
    _check(wanted, present, spacing)
    box = box_with_margin(label > 0, (1, 1, 1))
    old = label[box]
    scale, evaluations = _solved(old, spacing, table, wanted, present)
    led, held = (old, 0) if scale == (1.0, 1.0, 1.0) else led_smaller(old, scale)
    record = {
        "evaluations": evaluations,
        "jacobian_min": 1 / math.prod(scale),
        "voxels_held_by_topology": held,
        **{f"requested_{name}": mm for name, mm in wanted.items()},
        **{f"before_{name}": mm for name, mm in present.items()},
        **{f"achieved_{name}": mm for name, mm in _measured(led, spacing, table).items()},
        **volumes_before(label, spacing, table),
    }
    check_invariants(old, led, table, record, NAME)
    for name, mm in wanted.items():
        if abs(record[f"achieved_{name}"] - mm) > _tolerance(name, spacing):
            there = f"with the topology kept it comes to {record[f'achieved_{name}']:.1f} mm"
            raise AnatomyError(f"{NAME}: {name} {mm:.1f} mm asked for; {there}")
    new = label.copy()
    new[box] = led
    painted = None if image is None else image.astype(np.float32)
    if painted is not None and scale != (1.0, 1.0, 1.0):
        painted[box] = Scaling(old, scale).image(painted[box])
    return new, painted, record


def _measured(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, float]:
    return {name: measure(label, spacing, table) or 0.0 for name, (measure, _) in MEASURES.items()}


def _tolerance(name: str, spacing: Spacing) -> float:
    return spacing[MEASURES[name][1]] / 2 + 1e-6


def _check(wanted: dict[str, float], present: dict[str, float], spacing: Spacing) -> None:
    for name, mm in wanted.items():
        most, least = present[name], LEAST * present[name]
        if not least <= mm <= most + _tolerance(name, spacing):
            allowed = f"this head allows {least:.1f} to {most:.1f} mm"
            raise AnatomyError(f"{NAME}: {name} is {mm:g}; {allowed}")


def _solved(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    wanted: dict[str, float],
    present: dict[str, float],
) -> tuple[tuple[float, float, float], int]:
    """The scale (z, y, x) that gives the diameters wanted, and how many evaluations it took."""
    near = {n: abs(mm - present[n]) <= _tolerance(n, spacing) for n, mm in wanted.items()}
    ratios = {n: 1.0 if near[n] else min(mm / present[n], 1.0) for n, mm in wanted.items()}
    y, x = (ratios.get(n, min(ratios.values())) for n in ("occipito_frontal_mm", "biparietal_mm"))
    scale, evaluations = [math.sqrt(y * x), y, x], 0

    def measured(name: str, axis: int, loss: float) -> float:
        z, y, x = (1 - loss if a == axis else k for a, k in enumerate(scale))
        return _measured(Scaling(label, (z, y, x)).label(label), spacing, table)[name]

    for name, mm in wanted.items():
        axis = MEASURES[name][1]
        if near[name]:
            continue
        refusal = f"{NAME}: {name} {mm:.1f} mm asked for; the nearest there is is {{nearest:.1f}}"
        loss, tolerance = 1 - ratios[name], _tolerance(name, spacing)
        most = 1 - 0.95 * LEAST
        found = solve_for_measure(
            partial(measured, name, axis), mm, present[name], tolerance, loss, most, refusal
        )
        scale[axis] = 1 - found.amount
        evaluations += found.evaluations
        if len(wanted) == 1:
            scale = [1 - found.amount] * 3
    return (scale[0], scale[1], scale[2]), evaluations
