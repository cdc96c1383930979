"""A small cerebellum in a posterior fossa that stays: transcerebellar diameter as asked for."""

from typing import Any

import numpy as np
from scipy import ndimage

from factory.anatomy.deformation.invariants import check_invariants, volumes_before
from factory.anatomy.deformation.repaint import fill_with_fluid
from factory.anatomy.deformation.root_finding import solve_for_measure
from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.measures import transcerebellar_mm as measured_diameter
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.growth_curves import MAX_WEEKS, MIN_WEEKS
from factory.storage.subjects.growth_curves import transcerebellar_mm as norm_mm
from factory.storage.subjects.types import LabelTable

NAME = "cerebellar_hypoplasia"
LEAST = 0.3
"""The smallest share of the diameter that is left."""
ALONE = LabelTable(("background", "cerebellum"), ((0, 0, 0), (0, 0, 0)))
STEP_VOXELS = 1.0
CONTACT_MM = 3.0
AROUND_MM = 12.0
"""How far about the cerebellum fluid is looked for, to fill an image with."""


def cerebellar_hypoplasia(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    transcerebellar_mm: float | None = None,
    share_of_norm: float | None = None,
    age_weeks: float | None = None,
    image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The cerebellum contracted, in proportion, towards where it meets the brainstem.

    transcerebellar_mm: as measure.transcerebellar_mm has it, or share_of_norm: of the norm for
    age_weeks (factory.storage.subjects.growth_curves). Reached within half a voxel in at most eight
    evaluations. All else stays in place, the skull too: what the cerebellum gives up becomes
    external CSF, or background where the table has none, and in the image takes the intensity of
    the nearest fluid. So the cisterna magna and the space under the tentorium widen; the brainstem,
    often small in such fetuses as well, does not follow.

    Returns new label (uint8), image (float32, or None) and a record: requested, achieved and
    before, the contraction's Jacobian, every volume before. Components and Euler number of all
    tissues but the external CSF stay. Inputs stay as they are. Raises AnatomyError with the
    smallest and largest diameter there can be, where neither or both are asked for, where the
    label map has no cerebellum, and for a share of the norm at an age that is not known.
    """
    wanted = _wanted(transcerebellar_mm, share_of_norm, age_weeks)
    present = measured_diameter(label, spacing, table)
    if present is None:
        raise AnatomyError(f"{NAME}: the label map has no cerebellum")
    tolerance = spacing[2] / 2 + 1e-6
    if not LEAST * present <= wanted <= present + tolerance:
        allowed = f"this cerebellum allows {LEAST * present:.1f} to {present:.1f} mm"
        raise AnatomyError(f"{NAME}: transcerebellar_mm is {wanted:.4g}; {allowed}")

    value = table.index("cerebellum")
    box = box_with_margin(label == value, tuple(int(CONTACT_MM / s) + 2 for s in spacing))
    old = (label[box] == value).astype(np.uint8)
    anchor = _anchor(label[box], spacing, table)

    def contracted(scale: float) -> np.ndarray:
        # It shrinks into itself: where it is hollow, it does not lean on what fills the hollow.
        return _pulled(old, anchor, scale) & old

    def measured(loss: float) -> float:
        return _widest(contracted(1 - loss), spacing)

    refusal = f"{NAME}: {wanted:.1f} mm asked for; the nearest there is is {{nearest:.1f}} mm"
    first, most = 1 - wanted / present, 1 - 0.9 * LEAST
    found = solve_for_measure(measured, wanted, present, tolerance, first, most, refusal)
    led = old
    reach = max(np.max(np.abs(np.argwhere(old) - anchor)), 1.0)
    steps = int(np.ceil(found.amount * reach / STEP_VOXELS))
    for step in range(1, steps + 1):
        led = change_keeping_topology(led, contracted(1 - found.amount * step / steps))

    gap = (old > 0) & (led == 0)
    new, painted = label.copy(), None if image is None else image.astype(np.float32)
    new[box][gap] = table.names.index("external_csf") if "external_csf" in table.names else 0
    if painted is not None and gap.any():
        inside = led > 0
        moved = _pulled(painted[box], anchor, 1 - found.amount, order=1)
        painted[box][inside] = moved[inside]
        _fill(painted, label, box, gap, spacing, table)
    record: dict[str, Any] = {
        "requested_transcerebellar_mm": wanted,
        "achieved_transcerebellar_mm": measured_diameter(new, spacing, table),
        "before_transcerebellar_mm": present,
        "scale": 1 - found.amount,
        "evaluations": found.evaluations,
        "jacobian_min": (1 - found.amount) ** -3,
        **volumes_before(label, spacing, table),
    }
    check_invariants(old, led, ALONE, record, NAME)
    if abs(record["achieved_transcerebellar_mm"] - wanted) > tolerance:
        there = f"with its topology kept it comes to {record['achieved_transcerebellar_mm']:.1f} mm"
        raise AnatomyError(f"{NAME}: {wanted:.1f} mm asked for; {there}")
    return new, painted, record


def _wanted(diameter: float | None, share: float | None, age: float | None) -> float:
    if (diameter is None) == (share is None):
        given = "neither" if diameter is None else "both"
        raise AnatomyError(f"{NAME}: {given} of transcerebellar_mm and share_of_norm is given")
    if diameter is not None:
        return float(diameter)
    if age is None:
        text = "share_of_norm needs the subject's gestational age, which is not known"
        raise AnatomyError(f"{NAME}: {text}; give transcerebellar_mm")
    if not MIN_WEEKS <= age <= MAX_WEEKS:
        allowed = f"the norm runs from {MIN_WEEKS:g} to {MAX_WEEKS:g}"
        raise AnatomyError(f"{NAME}: the subject is {age:g} weeks old; {allowed}")
    return float(share or 0.0) * norm_mm(age)


def _anchor(label: np.ndarray, spacing: Spacing, table: LabelTable) -> np.ndarray:
    """The voxel (z, y, x) that stays: the middle of the cerebellum's part near the brainstem."""
    cerebellum = label == table.index("cerebellum")
    near = cerebellum
    if "brainstem" in table.names and (stem := label == table.index("brainstem")).any():
        apart = ndimage.distance_transform_edt(~stem, sampling=spacing)
        near = cerebellum & (apart <= apart[cerebellum].min() + CONTACT_MM)
    return np.argwhere(near).mean(0)


def _pulled(array: np.ndarray, anchor: np.ndarray, scale: float, order: int = 0) -> np.ndarray:
    """An array contracted about a voxel."""
    # A quarter of a voxel off: else both sides move in step and miss every second width.
    off = np.array([0, 0, 0.25 if scale < 1 else 0.0])
    offset = anchor - (anchor + off) / scale
    return ndimage.affine_transform(array, np.full(3, 1 / scale), offset, order=order)


def _widest(mask: np.ndarray, spacing: Spacing) -> float:
    return measured_diameter(mask, spacing, ALONE) or 0.0


def _fill(
    image: np.ndarray,
    label: np.ndarray,
    box: tuple[slice, slice, slice],
    gap: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
) -> None:
    """Paint the gap in the nearest fluid's intensity; as background where there is no fluid."""
    wide = []
    for b, s in zip(box, spacing, strict=True):
        margin = int(AROUND_MM / s)
        wide.append(slice(max(0, b.start - margin), b.stop + margin))
    around = wide[0], wide[1], wide[2]
    gained = np.zeros(label.shape, bool)
    gained[box] = gap
    fluid = [i for i, n in enumerate(table.names) if n in ("external_csf", "ventricles")]
    image[gained] = 0
    if "external_csf" in table.names:
        fill_with_fluid(image[around], np.isin(label[around], fluid), gained[around], spacing)
