"""Ventriculomegaly as pressure makes it: the wall pushes the brain outwards, nothing is eaten."""

import math
from typing import Any

import edt
import numpy as np

from factory.anatomy.deformation.invariants import (
    check_clear_of_border,
    check_invariants,
    volumes_before,
)
from factory.anatomy.deformation.root_finding import solve
from factory.anatomy.deformation.surfaces import Surfaces
from factory.anatomy.deformation.topology import change_keeping_topology
from factory.anatomy.deformation.warp import jacobian, pull_image, voxels_from
from factory.anatomy.edits.ventriculomegaly.flow import FLOW_MM, ROOM_MM, STEP_MM, Flow
from factory.anatomy.lateral_ventricles import lateral_sides, lateral_ventricles
from factory.anatomy.measures import atrial_width_mm
from factory.anatomy.memoize import memoize_last_label
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable

NAME = "ventriculomegaly: displace"
FLUID = ("background", "external_csf", "ventricles")
MOST_STEPS = 40.0
CSF_ALLOWANCE = 0.02
"""How far the external CSF left may fall short: rims of a voxel come and go."""
MANTLE_MM = 7.0
"""What most mantles are thinner than somewhere."""
CONVEXITY_MM = 6.0
"""External CSF this near to the skull counts as the mantle's outside; deeper, it is a sulcus, a
fissure or a cistern."""


def displaced_ventricles(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    request: tuple[float, float, list[str]],
    shares: dict[str, float],
    image: np.ndarray | None,
    mantle_min_mm: float = 2.0,
    csf_min_share: float = 0.3,
    parenchyma_loss_max: float = 0.1,
    head_growth: float = 0.0,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The wall of the ventricles moved outwards, and all else with it.

    request: atrial width wanted and present (mm), and the sides it is measured on. shares: how
    fast each side's lateral ventricle expands, in ml. Limits: mantle_min_mm, the least distance
    from ventricle to convexity, to a voxel (where it is less already, it may not become less);
    csf_min_share, what is kept of the external CSF, at each place and in all;
    parenchyma_loss_max, the share of all that is neither CSF nor ventricle that may be lost,
    tissue by tissue.
    head_growth: of what the ventricles gain, the part that the skull gives way by, 0 to 1; with 0
    no voxel of background changes.

    The record certifies the sample: jacobian_min and _max at full resolution, the share of
    parenchyma lost and of external CSF left, the mantle before and after, every volume before.
    Raises AnatomyError where the map folds, a tissue's components or Euler number would change,
    a growing head leaves the array, or the width cannot be reached within the limits.
    """
    limits = (mantle_min_mm, csf_min_share, parenchyma_loss_max)
    _check(*limits, head_growth)
    wanted, present, main = request
    course = _course(label, spacing, table, tuple(shares.items()), csf_min_share, head_growth)
    old, brain = course.old, course.brain
    last = (old, old, brain.mantle_mm)

    def measured(time: float) -> tuple[float, str | None]:
        nonlocal last
        new, goal = course.reached(time)
        mantle = brain.mantle_of(new)
        last = (new, goal, mantle)
        widths = atrial_width_mm(new, spacing, table)
        hindrance = None
        if brain.lost(new) > parenchyma_loss_max:
            hindrance = f"parenchyma_loss_max is {parenchyma_loss_max:g}"
        elif brain.csf_left(new) < csf_min_share - CSF_ALLOWANCE:
            hindrance = f"csf_min_share is {csf_min_share:g}"
        elif mantle < min(mantle_min_mm, brain.mantle_mm) - max(spacing):
            hindrance = f"mantle_min_mm is {mantle_min_mm:g}"
        return max(w for s in main if (w := widths[s]) is not None), hindrance

    first = (wanted - present) / (1.5 * STEP_MM)
    found = solve(measured, wanted, present, min(spacing[1:]) / 2, first, MOST_STEPS, NAME)
    new, goal, mantle = last
    displacement = course.flow.displacement(found.amount)
    folding = jacobian(displacement, old.shape, spacing, FLOW_MM)[course.within]
    record = {
        "flow_steps": found.amount,
        "evaluations": found.evaluations,
        "jacobian_min": float(folding.min()),
        "jacobian_max": float(folding.max()),
        "voxels_held_by_topology": int((new != goal).sum()),
        "parenchyma_loss": brain.lost(new),
        "external_csf_left": brain.csf_left(new),
        "intracranial_change": float((new > 0).sum() / (old > 0).sum() - 1),
        "mantle_before_mm": brain.mantle_mm,
        "mantle_mm": mantle,
        **volumes_before(old, spacing, table),
    }
    check_clear_of_border(old, new, NAME)
    check_invariants(old, new, table, record, NAME)
    edited = label.copy()
    edited[course.box] = new
    painted = None if image is None else image.astype(np.float32)
    if painted is not None:
        places = voxels_from(displacement, old.shape, spacing, FLOW_MM)
        inside = (old > 0) | (new > 0)
        painted[course.box][inside] = pull_image(painted[course.box], places[:, inside])
    return edited, painted, record


def _check(mantle: float, csf: float, loss: float, growth: float) -> None:
    for name, value, most in (
        ("mantle_min_mm", mantle, 20.0),
        ("csf_min_share", csf, 0.95),
        ("parenchyma_loss_max", loss, 0.5),
        ("head_growth", growth, 1.0),
    ):
        if not 0 <= value <= most:
            raise AnatomyError(f"{NAME}: {name} is {value}; allowed are 0 to {most:g}")


class _Course:
    """What a brain goes through as its ventricles widen, a step at a time: the same for every
    width, so the widths that one brain is brought to share it."""

    def __init__(
        self,
        label: np.ndarray,
        spacing: Spacing,
        table: LabelTable,
        shares: tuple[tuple[str, float], ...],
        csf_min_share: float,
        head_growth: float,
    ) -> None:
        room = ROOM_MM if head_growth else 3 * min(spacing)
        self.box = box_with_margin(label > 0, tuple(int(np.ceil(room / s)) for s in spacing))
        self.old = old = np.ascontiguousarray(label[self.box])
        self.brain = brain = _Brain(old, spacing, table)
        parts = {s: mask[self.box] for s, mask in lateral_sides(label, spacing, table).items()}
        solid = np.isin(old, brain.solid, kind="table")
        self.flow = Flow(
            parts, dict(shares), old == brain.csf, solid, old > 0, spacing, csf_min_share,
            head_growth,
        )  # fmt: skip
        ours = [*([0] if head_growth else []), *range(1, len(table.names))]
        self.surfaces = Surfaces(old, ours)
        self.within = np.ones(old.shape, bool) if head_growth else old > 0
        self.csf_min_share, self.head_growth = csf_min_share, head_growth
        self.led = [old]

    def target(self, time: float) -> np.ndarray:
        """Where the flow takes every tissue, whatever becomes of its topology."""
        brain = self.brain
        places = voxels_from(self.flow.displacement(time), self.old.shape, brain.spacing, FLOW_MM)
        lost = self.flow.lost_mm3(time) / brain.voxel_mm3
        new = self.surfaces.pulled(places, self.within, brain.less(lost))
        volumes: dict[int, float] = {}
        kept = self.csf_min_share * brain.voxels[brain.csf]
        overdrawn = max(0.0, kept - (new == brain.csf).sum())
        if overdrawn:
            volumes[brain.csf] = kept
        if self.head_growth:
            gained = (new == brain.ventricles).sum() - brain.voxels[brain.ventricles]
            volumes[0] = brain.voxels[0] - self.head_growth * gained
        if volumes:
            volumes |= brain.less(lost + overdrawn)
            new = self.surfaces.pulled(places, self.within, volumes)
        return new

    def reached(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Led by steps, so that thin sheets can follow; and what it was led to."""
        for whole in range(len(self.led), int(time) + 1):
            self.led.append(change_keeping_topology(self.led[-1], self.target(whole)))
        goal = self.target(time)
        return change_keeping_topology(self.led[int(time)], goal), goal


_course = memoize_last_label(_Course)


class _Brain:
    """What a brain had before, to compare with."""

    def __init__(self, label: np.ndarray, spacing: Spacing, table: LabelTable) -> None:
        self.spacing, self.table = spacing, table
        self.voxel_mm3 = float(np.prod(spacing))
        self.csf = table.names.index("external_csf") if "external_csf" in table.names else 255
        self.ventricles = table.index("ventricles")
        self.voxels = np.bincount(label.ravel(), minlength=256)
        names = enumerate(table.names)
        self.solid = [i for i, name in names if name not in FLUID and self.voxels[i]]
        deep = edt.edt(label > 0, anisotropy=spacing, black_border=True)
        self.convexity = deep <= CONVEXITY_MM
        self.mantle_mm = self.mantle_of(label)

    def less(self, lost: float) -> dict[int, float]:
        """Voxels of each solid tissue once so many are lost, from each alike."""
        keep = 1 - lost / max(1, self.voxels[self.solid].sum())
        return {value: keep * self.voxels[value] for value in self.solid}

    def lost(self, label: np.ndarray) -> float:
        """What tissues lost over what all had; the gain of one does not make up for another."""
        before = self.voxels[self.solid]
        after = np.bincount(label.ravel(), minlength=256)[self.solid]
        return float(np.maximum(before - after, 0).sum() / max(1, before.sum()))

    def csf_left(self, label: np.ndarray) -> float:
        """The share of the external CSF that is left; 1 where there was none."""
        before = self.voxels[self.csf]
        return float((label == self.csf).sum() / before) if before else 1.0

    def mantle_of(self, label: np.ndarray) -> float:
        """Least distance between a lateral ventricle and the brain's convexity."""
        inside = (label != 0) & ~((label == self.csf) & self.convexity)
        lateral = lateral_ventricles(label, self.spacing, self.table)
        least, reach = math.inf, MANTLE_MM / 2
        while least > reach:  # what lies further off than this from the ventricles has no say
            reach *= 2
            box = box_with_margin(lateral, tuple(int(reach / s) + 1 for s in self.spacing))
            depth = edt.edt(inside[box].view(np.uint8), anisotropy=self.spacing, black_border=True)
            least = float(depth[lateral[box]].min())
        return least
