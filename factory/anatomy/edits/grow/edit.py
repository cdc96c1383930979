"""A subject taken to another gestational age along published growth curves."""

import math
from typing import Any

import numpy as np

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.scaling import Scaling, led_smaller
from factory.anatomy.deformation.velocity import (
    LATTICE_MM,
    below_skull,
    gain_per_mm,
    swelling_velocity,
    warp_keeping_topology,
    warp_label,
)
from factory.anatomy.deformation.warp import exponential, jacobian, pull_image
from factory.anatomy.measures import biparietal_mm, occipito_frontal_mm, volumes_ml
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects import growth_curves as growth
from factory.storage.subjects.types import LabelTable

NAME = "grow"
WALL_MM = 4.0
"""How far from an organ's wall its surroundings make up for it."""
ROUNDS = 5
NEAR = 0.02
"""How near to a volume, as a share of it, is near enough."""
FURTHEST_MM = 8.0
SAFE = 0.1
PARTS_OF_THE_WAY = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
"""How far organs get where all the way would fold space: with a Jacobian of at least SAFE."""
STEM_POWER = 2.4
"""Brainstem and deep grey matter lead the cortex: their volumes grow by this power of the
brain's length, not by its cube (the phantom's proportions)."""


def grow(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    to_weeks: float,
    age_weeks: float | None = None,
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """A head of age_weeks with the size, and its organs with the proportions, of to_weeks.

    By factory.storage.subjects.growth_curves, in ratios between the two ages, so that what is
    unusual about a subject stays so: biparietal and occipito-frontal diameter; the cerebellum by
    the cube of the transcerebellar diameter; the ventricles by the brain's length, as their width
    stays; brainstem and deep grey matter by its 2.4th power. First a smooth warp gives these organs
    their share of the brain, as nearly as it can within five evaluations; then all is scaled.
    Backwards too.

    A warp makes no new folds and unmakes none: a brain grown from 24 to 32 weeks is large and as
    smooth as it was. Nor does the cortex change its share of the brain, or the external CSF its
    share of the head. The background's boundary moves with the skull.

    Returns new label (uint8), image (float32, or None) and a record: diameters and volumes
    requested, achieved and before, the Jacobian's extremes, and age_weeks, the new age.
    Components and Euler number of every tissue stay. Inputs stay as they are. Raises AnatomyError
    for an age that is not known or beyond 20 to 38 weeks, and for a head that would not fit the
    array, with the shape that it needs.
    """
    weeks = _ages(age_weeks, to_weeks)
    if not (label > 0).any():
        raise AnatomyError(f"{NAME}: the label map is empty")
    scale = _scale(*weeks)
    _check_room(label, spacing, scale, to_weeks)
    volumes = volumes_ml(label, spacing, table)
    wanted = {n: volumes[n] * r for n, r in _ratios(*weeks).items() if volumes.get(n)}
    new, painted = label.copy(), None if image is None else image.astype(np.float32)
    record: dict[str, Any] = {"jacobian_min": 1.0, "jacobian_max": 1.0, "age_weeks": to_weeks}
    if weeks[0] != weeks[1]:
        enlarged = math.prod(scale)
        box = box_with_margin(label > 0, (2, 2, 2))
        old = label[box]
        shares = {n: ml / volumes[n] / enlarged for n, ml in wanted.items()}
        led, places, carried = _proportioned(old, spacing, table, shares)
        new[box] = led
        record |= {k: carried[k] / enlarged for k in ("jacobian_min", "jacobian_max")}
        record["voxels_held_by_topology"] = carried["voxels_held_by_topology"]
        scaling = Scaling(new, scale)
        if painted is not None:
            painted[box][old > 0] = pull_image(painted[box], places[:, old > 0])
            painted = scaling.image(painted)
        new = scaling.label(new) if min(scale) >= 1 else led_smaller(new, scale)[0]
    after = volumes_ml(new, spacing, table)
    for name, measure, k in (
        ("biparietal_mm", biparietal_mm, scale[2]),
        ("occipito_frontal_mm", occipito_frontal_mm, scale[1]),
    ):
        was = measure(label, spacing, table) or 0.0
        record[f"before_{name}"], record[f"requested_{name}"] = was, was * k
        record[f"achieved_{name}"] = measure(new, spacing, table)
    record |= {f"requested_volume_ml_{n}": ml for n, ml in wanted.items()}
    record |= {f"achieved_volume_ml_{n}": after[n] for n in wanted}
    check_invariants(label, new, table, record, NAME)
    return new, painted, record | volumes_before(label, spacing, table)


def _ages(age: float | None, to: float) -> tuple[float, float]:
    if age is None:
        raise AnatomyError(f"{NAME}: the subject's gestational age is not known")
    low, high = growth.MIN_WEEKS, growth.MAX_WEEKS
    for name, weeks in (("to_weeks", to), ("the subject's gestational age", age)):
        if not low <= weeks <= high:
            raise AnatomyError(f"{NAME}: {name} is {weeks:g}; allowed are {low:g} to {high:g}")
    return float(age), float(to)


def _scale(age: float, to: float) -> tuple[float, float, float]:
    """How much longer the head gets along z, y and x; upwards by the mean of the two others."""
    (x0, y0), (x1, y1) = growth.intracranial_mm(age), growth.intracranial_mm(to)
    return math.sqrt(x1 / x0 * y1 / y0), y1 / y0, x1 / x0


def _ratios(age: float, to: float) -> dict[str, float]:
    """How many times an organ's volume becomes."""
    lengths = []
    for weeks in (age, to):
        csf = 2 * growth.subarachnoid_mm(weeks)
        width, length = growth.intracranial_mm(weeks)
        lengths.append(math.sqrt((width - csf) * (length - csf)))
    brain = lengths[1] / lengths[0]
    return {
        "ventricles": brain,
        "cerebellum": (growth.transcerebellar_mm(to) / growth.transcerebellar_mm(age)) ** 3,
        "brainstem": brain**STEM_POWER,
        "deep_grey_matter": brain**STEM_POWER,
    }


def _check_room(
    label: np.ndarray, spacing: Spacing, scale: tuple[float, float, float], to: float
) -> None:
    """A voxel of background stays on every side."""
    box = box_with_margin(label > 0, (0, 0, 0))
    needed = [math.ceil((b.stop - b.start) * k) + 2 for b, k in zip(box, scale, strict=True)]
    if any(n > there for n, there in zip(needed, label.shape, strict=True)):
        words, there = (" × ".join(map(str, shape)) for shape in (needed, label.shape))
        raise AnatomyError(
            f"{NAME}: at {to:g} weeks the head needs {words} voxels (z, y, x) of {spacing[0]:g} mm "
            f"and the array has {there}; give the output that shape at least"
        )


def _proportioned(
    label: np.ndarray, spacing: Spacing, table: LabelTable, shares: dict[str, float]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Each organ's volume brought near a share of what it is, all in one warp; the skull stays."""
    values = {name: table.index(name) for name in shares}
    free = below_skull(label > 0, spacing)
    fields = {n: swelling_velocity(label == v, spacing, WALL_MM) * free for n, v in values.items()}
    gains = {n: gain_per_mm(fields[n], label == v, spacing) for n, v in values.items()}
    if not shares:
        return warp_keeping_topology(
            label, spacing, np.zeros((3, *free.shape), np.float32), label > 0
        )
    counts = np.bincount(label.ravel(), minlength=len(table.names))
    amounts = {name: math.log(share) / gains[name] for name, share in shares.items()}

    def velocity(most: float = 1.0) -> np.ndarray:
        still = np.zeros((3, *free.shape), np.float32)
        return sum((np.float32(most * a) * fields[n] for n, a in amounts.items()), still)

    nearest, best, last = math.inf, amounts, dict.fromkeys(shares, 0.0)
    for _ in range(ROUNDS):
        there, _ = warp_label(label, spacing, velocity())
        now = np.bincount(there.ravel(), minlength=len(table.names))
        lacks = {n: math.log(shares[n] * counts[v] / max(now[v], 1)) for n, v in values.items()}
        worst = max(abs(lack) for lack in lacks.values())
        if worst < nearest:
            nearest, best = worst, amounts
        if worst <= NEAR:
            break
        # Walls move by whole voxels, in leaps: where it went too far it goes back more slowly.
        for name, lack in lacks.items():
            gains[name] *= 1 - lack / last[name] if last[name] * lack < 0 else 1.0
        steps = {n: amounts[n] + lack / gains[n] for n, lack in lacks.items()}
        amounts = {n: min(max(a, -FURTHEST_MM), FURTHEST_MM) for n, a in steps.items()}
        last = lacks
    amounts = best
    most = next((m for m in PARTS_OF_THE_WAY if _least(velocity(m), label, spacing) >= SAFE), 0.0)
    return warp_keeping_topology(label, spacing, velocity(most), label > 0)


def _least(velocity: np.ndarray, label: np.ndarray, spacing: Spacing) -> float:
    shape = (label.shape[0], label.shape[1], label.shape[2])
    return float(jacobian(exponential(velocity, LATTICE_MM), shape, spacing, LATTICE_MM).min())
