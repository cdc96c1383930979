"""Ventricles that widen by pressure or become narrow, and move the brain with their wall.

Arrays are [z, y, x] (RAS+, x to the patient's right), spacing is mm (z, y, x).
"""

import math
from dataclasses import dataclass

import edt
import numpy as np

from factory.anatomy.deformation.course import Course
from factory.anatomy.deformation.flow import FLOW_MM, ROOM_MM, STEP_MM, Flow
from factory.anatomy.deformation.invariants import (
    check_clear_of_border,
    check_invariants,
    volumes_before,
)
from factory.anatomy.deformation.repaint import fill_with_fluid
from factory.anatomy.deformation.root_finding import solve
from factory.anatomy.deformation.warp import jacobian_determinant
from factory.anatomy.edits.operator import EditResult
from factory.anatomy.edits.ventriculomegaly.limits import NAME, Limits
from factory.anatomy.edits.ventriculomegaly.narrowing import (
    opened_space,
    plan_narrowing,
    solve_falling,
)
from factory.anatomy.edits.ventriculomegaly.width_request import WidthRequest
from factory.anatomy.lateral_ventricles import lateral_sides, lateral_ventricles
from factory.anatomy.measures import atrial_width_mm
from factory.anatomy.memoize import memoize_last_label
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

FLUID = ("background", "external_csf", "ventricles")
MAX_STEPS = 40.0
CSF_ALLOWANCE = 0.02
"""How far the remaining external CSF may fall short: rims of one voxel come and go."""
MANTLE_MM = 7.0
"""Most mantles are thinner than this somewhere."""
CONVEXITY_MM = 6.0
"""External CSF at most this far from the skull is the outside of the mantle; deeper CSF is a
sulcus, a fissure or a cistern."""


def displace_ventricles(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    request: WidthRequest,
    image: np.ndarray | None,
    limits: Limits,
) -> EditResult:
    """Move the wall of the ventricles outwards or inwards, and everything else with it.

    If the width that is requested is below the present one, the ventricles shrink and the brain
    follows (see `narrowing`).

    Args:
        label: uint8 [z, y, x]; not changed.
        spacing: mm (z, y, x).
        table: What the values of label mean.
        request: The width to reach; its `growth` says how fast each side's ventricle expands, in
            ml.
        image: [z, y, x] or [channel, z, y, x], or None; not changed.
        limits: What the displacement must respect.

    Returns:
        New label (uint8), image (float32, or None) and a record that documents the sample: the
        extremes of the Jacobian at full resolution, the share of parenchyma lost and of external
        CSF left, the mantle before and after, every volume before.

    Raises:
        AnatomyError: The map folds, a tissue's components or Euler number would change, a growing
            head leaves the array, or the width cannot be reached within the limits.
    """
    limits.check()
    target_mm, present_mm = request.target_mm, request.present_mm
    tolerance_mm = min(spacing[1:]) / 2
    narrows = target_mm < present_mm - tolerance_mm
    course = _compute_course(
        label, spacing, table, tuple(request.growth.items()), limits.csf_min_share,
        limits.head_growth, narrows,
    )  # fmt: skip
    old, brain = course.old, course.brain
    last = _Step(old, old, brain.mantle_mm)

    def measure(time: float) -> tuple[float, str | None]:
        nonlocal last
        new, goal = course.label_at(time)
        last = _Step(new, goal, brain.measure_mantle_mm(new))
        width_mm = request.widest_mm(atrial_width_mm(new, spacing, table))
        violation = brain.violated_limit(last, limits)
        if narrows and violation is None:  # a ventricle that is nearly gone would fold
            violation = course.describe_fold(time)
        return width_mm, violation

    first = abs(target_mm - present_mm) / (1.5 * STEP_MM)
    solve_width = solve_falling if narrows else solve
    solution = solve_width(measure, target_mm, present_mm, tolerance_mm, first, MAX_STEPS, NAME)
    displacement = course.flow.displacement(solution.amount)
    record: JsonObject = {
        "flow_steps": solution.amount,
        "evaluations": solution.evaluations,
        **course.describe(last, displacement),
        **volumes_before(old, spacing, table),
    }
    check_clear_of_border(old, last.label, NAME)
    check_invariants(old, last.label, table, record["jacobian_min"], NAME)
    painted = course.warp_image_of_head(image, last.label, displacement)
    edited = label.copy()
    edited[course.box] = last.label
    if course.filled_share and solution.amount:
        filled = course.fill_opening(edited[course.box])
        record |= brain.describe_filling(edited[course.box], filled)
        if painted is not None:
            fluid = np.isin(last.label, (brain.csf, brain.ventricles), kind="table")
            fill_with_fluid(painted[..., *course.box], fluid, filled, spacing)
    return edited, painted, record


@dataclass(frozen=True)
class _Step:
    """A label map on the way, the label map it was changed towards, and its mantle."""

    label: np.ndarray
    goal: np.ndarray
    mantle_mm: float


class _BrainCourse(Course):
    """The label maps of a brain as its ventricles widen, step by step.

    They are the same for every width, so all widths of one brain share them.

    Attributes:
        box: The box of the head within the array.
        brain: What the brain was before.
    """

    def __init__(
        self,
        label: np.ndarray,
        spacing: Spacing,
        table: LabelTable,
        growth: tuple[tuple[str, float], ...],
        csf_min_share: float,
        head_growth: float,
        narrows: bool = False,
    ) -> None:
        self.csf_min_share, requested_growth = csf_min_share, head_growth
        sides = lateral_sides(label, spacing, table)
        if narrows:
            growth, head_growth = plan_narrowing(label, sides, growth, table, head_growth, NAME)
        self.head_growth = head_growth
        self.filled_share = 1 - requested_growth / head_growth if head_growth else 0.0
        room_mm = ROOM_MM if head_growth else 3 * min(spacing)
        self.box = box_with_margin(label > 0, tuple(int(np.ceil(room_mm / s)) for s in spacing))
        old = np.ascontiguousarray(label[self.box])
        self.brain = brain = _Brain(old, spacing, table)
        sides = {s: mask[self.box] for s, mask in sides.items()}
        solid = np.isin(old, brain.solid, kind="table")
        flow = Flow(
            sides, dict(growth), old == brain.csf, solid, old > 0, spacing, csf_min_share,
            head_growth,
        )  # fmt: skip
        moving = [*([0] if head_growth else []), *range(1, len(table.names))]
        within = np.ones(old.shape, bool) if head_growth else old > 0
        super().__init__(old, spacing, flow, moving, within, brain.solid)

    def corrections(self, new: np.ndarray, lost_voxels: float) -> dict[int, float]:
        """Return volumes that keep the least external CSF and let the skull give way."""
        brain = self.brain
        volumes: dict[int, float] = {}
        csf_min = self.csf_min_share * brain.voxels[brain.csf]
        overdrawn = max(0.0, csf_min - (new == brain.csf).sum())
        if overdrawn:
            volumes[brain.csf] = csf_min
        if self.head_growth:
            gained = (new == brain.ventricles).sum() - brain.voxels[brain.ventricles]
            volumes[0] = brain.voxels[0] - self.head_growth * gained
        if volumes:
            volumes |= self.volumes_after_loss(lost_voxels + overdrawn)
        return volumes

    def describe(self, step: _Step, displacement: np.ndarray) -> JsonObject:
        """Return what the edit records of a step and of the displacement that leads to it."""
        old, new, brain = self.old, step.label, self.brain
        return {
            **self.certificate(new, step.goal, displacement),
            "parenchyma_loss": brain.parenchyma_loss(new),
            "external_csf_left": brain.csf_left(new),
            "intracranial_change": float((new > 0).sum() / (old > 0).sum() - 1),
            "mantle_before_mm": brain.mantle_mm,
            "mantle_mm": step.mantle_mm,
        }

    def describe_fold(self, time: float) -> str | None:
        """Return that the map at a time folds, in words, or None."""
        displacement = self.flow.displacement(time)
        determinant = jacobian_determinant(displacement, self.shape, self.spacing, FLOW_MM)
        return "beyond it the map folds" if determinant[self.within].min() <= 0 else None

    def fill_opening(self, new: np.ndarray) -> np.ndarray:
        """Fill, in place, the room between the brain and the skull; return where, bool [z, y, x].

        Where the brain touched the skull, external CSF comes in, and its pools merge.
        """
        filled = opened_space(self.old, new, self.filled_share, self.spacing)
        new[filled] = self.brain.csf
        return filled

    def warp_image_of_head(
        self, image: np.ndarray | None, new: np.ndarray, displacement: np.ndarray
    ) -> np.ndarray | None:
        """Return the image pulled along a displacement, within the old and the new head."""
        if image is None:
            return None
        painted = image.astype(np.float32)
        self.warp_image(painted[..., *self.box], (self.old > 0) | (new > 0), displacement)
        return painted


_compute_course = memoize_last_label(_BrainCourse)


class _Brain:
    """What a brain was before, to compare with.

    Attributes:
        csf: The label of the external CSF; 255 if the table has none.
        ventricles: The label of the ventricles.
        voxels: Number of voxels of each label, [256].
        solid: The labels of the tissues that are not fluid.
        convexity: The voxels near the skull, bool [z, y, x].
        mantle_mm: The least distance from ventricle to convexity.
    """

    def __init__(self, label: np.ndarray, spacing: Spacing, table: LabelTable) -> None:
        self.spacing, self.table = spacing, table
        self.voxel_mm3 = float(np.prod(spacing))
        self.csf = table.names.index("external_csf") if "external_csf" in table.names else 255
        self.ventricles = table.index("ventricles")
        self.voxels = np.bincount(label.ravel(), minlength=256)
        names = enumerate(table.names)
        self.solid = [i for i, name in names if name not in FLUID and self.voxels[i]]
        depth_mm = edt.edt(label > 0, anisotropy=spacing, black_border=True)
        self.convexity = depth_mm <= CONVEXITY_MM
        self.mantle_mm = self.measure_mantle_mm(label)

    def parenchyma_loss(self, label: np.ndarray) -> float:
        """Return the share of parenchyma lost; one tissue's gain does not offset another's loss."""
        before = self.voxels[self.solid]
        after = np.bincount(label.ravel(), minlength=256)[self.solid]
        return float(np.maximum(before - after, 0).sum() / max(1, before.sum()))

    def csf_left(self, label: np.ndarray) -> float:
        """Return the share of the external CSF that is left; 1 if there was none."""
        before = self.voxels[self.csf]
        return float((label == self.csf).sum() / before) if before else 1.0

    def describe_filling(self, label: np.ndarray, filled: np.ndarray) -> JsonObject:
        """Return what the edit records after the space that opened is filled."""
        before = int(self.voxels[1:].sum())
        return {
            "external_csf_left": self.csf_left(label),
            "intracranial_change": float((label > 0).sum() / before - 1),
            "external_csf_opened_ml": float(filled.sum() * self.voxel_mm3 / 1000),
        }

    def violated_limit(self, step: _Step, limits: Limits) -> str | None:
        """Return which limit a step violates, in words, or None."""
        if self.parenchyma_loss(step.label) > limits.parenchyma_loss_max:
            return f"parenchyma_loss_max is {limits.parenchyma_loss_max:g}"
        if self.csf_left(step.label) < limits.csf_min_share - CSF_ALLOWANCE:
            return f"csf_min_share is {limits.csf_min_share:g}"
        if step.mantle_mm < min(limits.mantle_min_mm, self.mantle_mm) - max(self.spacing):
            return f"mantle_min_mm is {limits.mantle_min_mm:g}"
        return None

    def measure_mantle_mm(self, label: np.ndarray) -> float:
        """Return the least distance between a lateral ventricle and the brain's convexity."""
        inside = (label != 0) & ~((label == self.csf) & self.convexity)
        lateral = lateral_ventricles(label, self.spacing, self.table)
        least_mm, reach_mm = math.inf, MANTLE_MM / 2
        while least_mm > reach_mm:  # nothing beyond reach_mm can be nearer: widen the box
            reach_mm *= 2
            box = box_with_margin(lateral, tuple(int(reach_mm / s) + 1 for s in self.spacing))
            depth_mm = edt.edt(
                inside[box].view(np.uint8), anisotropy=self.spacing, black_border=True
            )
            least_mm = float(depth_mm[lateral[box]].min())
        return least_mm
