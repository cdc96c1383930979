"""Take a subject to another gestational age along published growth curves.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math

import numpy as np

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.scaling import Scale, Scaling, shrink_keeping_topology
from factory.anatomy.deformation.velocity import (
    LATTICE_MM,
    Warped,
    relative_gain_per_mm,
    swelling_velocity,
    warp_keeping_topology,
    warp_label,
    weight_below_skull,
)
from factory.anatomy.deformation.warp import exponential, jacobian_determinant, pull_image
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.measures import biparietal_mm, occipito_frontal_mm, volumes_ml
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects import growth_curves as growth
from factory.storage.subjects.types import LabelTable

NAME = "grow"
WALL_MM = 4.0
"""Distance from an organ's wall within which its surroundings make room for it."""
ROUNDS = 5
TOLERANCE = 0.02
"""How close to a volume, as a share of it, is close enough."""
MAX_AMOUNT_MM = 8.0
SAFE_JACOBIAN = 0.1
REDUCTIONS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.25)
"""The change of the organs is multiplied by the first of these with at least SAFE_JACOBIAN, since
the whole change might fold space."""
STEM_POWER = 2.4
"""Brainstem and deep grey matter develop before the cortex: their volumes grow by this power of the
brain's length, not by its cube (the phantom's proportions)."""


def grow(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    to_weeks: float,
    age_weeks: float | None = None,
    image: np.ndarray | None = None,
) -> EditResult:
    """Take a head from age_weeks to the size, and its organs to the proportions, of to_weeks.

    The changes are ratios between the two ages from factory.storage.subjects.growth_curves, so that
    a subject keeps its peculiarities. Biparietal and occipito-frontal diameter grow by their
    curves; the cerebellum by the cube of the transcerebellar diameter; the ventricles by the
    brain's length, since their width stays; brainstem and deep grey matter by its 2.4th power.
    First a smooth warp gives these organs their share of the brain, as closely as it can within
    five evaluations; then the head is scaled. It works towards lower ages too.

    The folding stays: a brain grown from 24 to 32 weeks is large and as smooth as before. The
    cortex keeps its share of the brain, and the external CSF its share of the head. The
    components and Euler number of every tissue stay.

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        to_weeks: The new gestational age, 20 to 38 weeks.
        age_weeks: The present one, or None if it is not known.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.

    Returns:
        New label (uint8), image (float32, or None) and a record: diameters and volumes requested,
        achieved and before, the extremes of the Jacobian, and age_weeks, the new age.

    Raises:
        AnatomyError: An age is not known or out of range, or the head would not fit the array (the
            message has the shape that it needs).
    """
    ages_weeks = _check_ages(age_weeks, to_weeks)
    if not (label > 0).any():
        raise AnatomyError(f"{NAME}: the label map is empty")
    scale = _head_scale(*ages_weeks)
    _check_room(label, spacing, scale, to_weeks)
    before = volumes_ml(label, spacing, table)
    ratios = _volume_ratios(*ages_weeks)
    targets_ml = {n: before[n] * ratio for n, ratio in ratios.items() if before.get(n)}
    new, painted = label.copy(), None if image is None else image.astype(np.float32)
    record: JsonObject = {"jacobian_min": 1.0, "jacobian_max": 1.0, "age_weeks": to_weeks}
    if ages_weeks[0] != ages_weeks[1]:
        shares = {n: ml / before[n] / math.prod(scale) for n, ml in targets_ml.items()}
        new, painted, numbers = _resize(new, painted, spacing, table, scale, shares)
        record |= numbers
    record |= _describe_sizes(label, new, spacing, table, scale, targets_ml)
    check_invariants(label, new, table, record["jacobian_min"], NAME)
    return new, painted, record | volumes_before(label, spacing, table)


def _resize(
    label: np.ndarray,
    image: np.ndarray | None,
    spacing: Spacing,
    table: LabelTable,
    scale: Scale,
    shares: dict[str, float],
) -> EditResult:
    """Give each organ its share of its present volume by a warp, then scale the head.

    label and image are changed in place.
    """
    box = box_with_margin(label > 0, (2, 2, 2))
    old = label[box].copy()
    warped = _change_proportions(old, spacing, table, shares)
    label[box] = warped.label
    scaling = Scaling(label, scale)
    if image is not None:
        head = image[..., *box]
        head[..., old > 0] = pull_image(head, warped.places[:, old > 0])
        image = scaling.scale_image(image)
    if min(scale) >= 1:
        label = scaling.scale_label(label)
    else:
        label = shrink_keeping_topology(label, scale)[0]
    factor = math.prod(scale)
    record: JsonObject = {
        "jacobian_min": warped.jacobian_min / factor,
        "jacobian_max": warped.jacobian_max / factor,
        "voxels_held_by_topology": warped.blocked_voxels,
    }
    return label, image, record


def _describe_sizes(
    old: np.ndarray,
    new: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    scale: Scale,
    targets_ml: dict[str, float],
) -> JsonObject:
    """Return the diameters and volumes requested and achieved, as the edit records them."""
    after = volumes_ml(new, spacing, table)
    record: JsonObject = {}
    for name, measure, factor in (
        ("biparietal_mm", biparietal_mm, scale[2]),
        ("occipito_frontal_mm", occipito_frontal_mm, scale[1]),
    ):
        before_mm = measure(old, spacing, table) or 0.0
        record[f"before_{name}"], record[f"requested_{name}"] = before_mm, before_mm * factor
        record[f"achieved_{name}"] = measure(new, spacing, table)
    record |= {f"requested_volume_ml_{n}": ml for n, ml in targets_ml.items()}
    record |= {f"achieved_volume_ml_{n}": after[n] for n in targets_ml}
    return record


def _check_ages(age_weeks: float | None, to_weeks: float) -> tuple[float, float]:
    """Return the present and the new age; raise AnatomyError if one is unknown or out of range."""
    if age_weeks is None:
        raise AnatomyError(f"{NAME}: the subject's gestational age is not known")
    low, high = growth.MIN_WEEKS, growth.MAX_WEEKS
    for name, weeks in (("to_weeks", to_weeks), ("the subject's gestational age", age_weeks)):
        if not low <= weeks <= high:
            raise AnatomyError(f"{NAME}: {name} is {weeks:g}; allowed are {low:g} to {high:g}")
    return float(age_weeks), float(to_weeks)


def _head_scale(age_weeks: float, to_weeks: float) -> Scale:
    """Return the factors of the head along z, y and x; along z the mean of the two others."""
    (x0, y0), (x1, y1) = growth.intracranial_mm(age_weeks), growth.intracranial_mm(to_weeks)
    return math.sqrt(x1 / x0 * y1 / y0), y1 / y0, x1 / x0


def _volume_ratios(age_weeks: float, to_weeks: float) -> dict[str, float]:
    """Return the factor by which the volume of each organ grows."""
    lengths_mm = []
    for weeks in (age_weeks, to_weeks):
        csf_mm = 2 * growth.subarachnoid_mm(weeks)
        width_mm, length_mm = growth.intracranial_mm(weeks)
        lengths_mm.append(math.sqrt((width_mm - csf_mm) * (length_mm - csf_mm)))
    brain = lengths_mm[1] / lengths_mm[0]
    cerebellum = growth.transcerebellar_mm(to_weeks) / growth.transcerebellar_mm(age_weeks)
    return {
        "ventricles": brain,
        "cerebellum": cerebellum**3,
        "brainstem": brain**STEM_POWER,
        "deep_grey_matter": brain**STEM_POWER,
    }


def _check_room(label: np.ndarray, spacing: Spacing, scale: Scale, to_weeks: float) -> None:
    """Raise AnatomyError unless a voxel of background stays on every side of the scaled head."""
    box = box_with_margin(label > 0, (0, 0, 0))
    needed = [math.ceil((b.stop - b.start) * k) + 2 for b, k in zip(box, scale, strict=True)]
    if any(n > size for n, size in zip(needed, label.shape, strict=True)):
        needed_text, shape_text = (" × ".join(map(str, s)) for s in (needed, label.shape))
        raise AnatomyError(
            f"{NAME}: at {to_weeks:g} weeks the head needs {needed_text} voxels (z, y, x) of "
            f"{spacing[0]:g} mm and the array has {shape_text}; "
            "give the output that shape at least"
        )


def _change_proportions(
    label: np.ndarray, spacing: Spacing, table: LabelTable, shares: dict[str, float]
) -> Warped:
    """Bring each organ's volume near a share of its present one, in one warp; the skull stays."""
    values = {name: table.index(name) for name in shares}
    weight = weight_below_skull(label > 0, spacing)
    fields = {
        n: swelling_velocity(label == v, spacing, WALL_MM) * weight for n, v in values.items()
    }
    still = np.zeros((3, *weight.shape), np.float32)
    if not shares:
        return warp_keeping_topology(label, spacing, still, label > 0)

    def velocity(amounts_mm: dict[str, float], factor: float = 1.0) -> np.ndarray:
        terms = (np.float32(factor * mm) * fields[n] for n, mm in amounts_mm.items())
        return sum(terms, still)

    gains = {n: relative_gain_per_mm(fields[n], label == v, spacing) for n, v in values.items()}
    before = np.bincount(label.ravel(), minlength=len(table.names))
    amounts_mm = {name: math.log(share) / gains[name] for name, share in shares.items()}
    smallest_error, best, last = math.inf, amounts_mm, dict.fromkeys(shares, 0.0)
    for _ in range(ROUNDS):
        moved, _ = warp_label(label, spacing, velocity(amounts_mm))
        after = np.bincount(moved.ravel(), minlength=len(table.names))
        errors = {n: math.log(shares[n] * before[v] / max(after[v], 1)) for n, v in values.items()}
        largest = max(abs(error) for error in errors.values())
        if largest < smallest_error:
            smallest_error, best = largest, amounts_mm
        if largest <= TOLERANCE:
            break
        # Walls move by whole voxels: after an overshoot the way back is taken in smaller steps.
        for name, error in errors.items():
            gains[name] *= 1 - error / last[name] if last[name] * error < 0 else 1.0
        steps = {n: amounts_mm[n] + error / gains[n] for n, error in errors.items()}
        amounts_mm = {n: min(max(mm, -MAX_AMOUNT_MM), MAX_AMOUNT_MM) for n, mm in steps.items()}
        last = errors
    safe = (f for f in REDUCTIONS if _is_safe(velocity(best, f), label, spacing))
    return warp_keeping_topology(label, spacing, velocity(best, next(safe, 0.0)), label > 0)


def _is_safe(velocity: np.ndarray, label: np.ndarray, spacing: Spacing) -> bool:
    """Return whether the Jacobian of a velocity's displacement stays clear of folding."""
    shape = (label.shape[0], label.shape[1], label.shape[2])
    displacement = exponential(velocity, LATTICE_MM)
    determinant = jacobian_determinant(displacement, shape, spacing, LATTICE_MM)
    return float(determinant.min()) >= SAFE_JACOBIAN
