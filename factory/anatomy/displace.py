"""Ventriculomegaly as pressure makes it: the wall pushes the brain outwards, nothing is eaten."""

from typing import Any

import edt
import numpy as np

from factory.anatomy.certificate import before, certify, stays_within
from factory.anatomy.flow import FLOW_MM, ROOM_MM, STEP_MM, Flow
from factory.anatomy.measure import atrial_width_mm
from factory.anatomy.solve import solve
from factory.anatomy.surfaces import Surfaces
from factory.anatomy.tissues import box_of
from factory.anatomy.topology import led_towards
from factory.anatomy.ventricles import lateral_ventricles
from factory.anatomy.warp import jacobian, pull_image, voxels_from
from factory.errors import AnatomyError
from storage.subject import LabelTable

Spacing = tuple[float, float, float]

NAME = "ventriculomegaly: displace"
FLUID = ("background", "external_csf", "ventricles")
MOST_STEPS = 40.0
CSF_ALLOWANCE = 0.02
"""How far the external CSF left may fall short: rims of a voxel come and go."""
CONVEXITY_MM = 6.0
"""External CSF this near to the skull counts as the mantle's outside; deeper, it is a sulcus, a
fissure or a cistern."""


def displaced_ventricles(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    request: tuple[float, float, list[str]],
    sides: dict[str, np.ndarray],
    shares: dict[str, float],
    image: np.ndarray | None,
    mantle_min_mm: float = 2.0,
    csf_min_share: float = 0.3,
    parenchyma_loss_max: float = 0.1,
    head_growth: float = 0.0,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The wall of the ventricles moved outwards, and all else with it.

    request: atrial width wanted and present (mm), and the sides it is measured on. sides: the
    lateral ventricles, bool. shares: how fast each expands, in ml. Limits: mantle_min_mm, the
    least distance from ventricle to convexity, to a voxel (where it is less already, it may not
    become less); csf_min_share, what is kept of the external CSF, at each place and in all;
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
    room = ROOM_MM if head_growth else 3 * min(spacing)
    box = box_of(label > 0, tuple(int(np.ceil(room / s)) for s in spacing))
    old = label[box]
    brain = _Brain(old, spacing, table)
    parts = {side: mask[box] for side, mask in sides.items()}
    solid = np.isin(old, brain.solid, kind="table")
    flow = Flow(
        parts, shares, old == brain.csf, solid, old > 0, spacing, csf_min_share, head_growth
    )
    ours = [*([0] if head_growth else []), *range(1, len(table.names))]
    surfaces = Surfaces(old, ours)
    within = np.ones(old.shape, bool) if head_growth else old > 0
    led, last = [old], (old, old)

    def target(time: float) -> np.ndarray:
        places = voxels_from(flow.displacement(time), old.shape, spacing, FLOW_MM)
        lost = flow.lost_mm3(time) / brain.voxel_mm3
        new = surfaces.pulled(places, within, brain.less(lost))
        volumes: dict[int, float] = {}
        kept = csf_min_share * brain.voxels[brain.csf]
        overdrawn = max(0.0, kept - (new == brain.csf).sum())
        if overdrawn:
            volumes[brain.csf] = kept
        if head_growth:
            gained = (new == brain.ventricles).sum() - brain.voxels[brain.ventricles]
            volumes[0] = brain.voxels[0] - head_growth * gained
        if volumes:
            volumes |= brain.less(lost + overdrawn)
            new = surfaces.pulled(places, within, volumes)
        return new

    def reached(time: float) -> tuple[np.ndarray, np.ndarray]:
        """Led by steps, so that thin sheets can follow; and what it was led to."""
        for whole in range(len(led), int(time) + 1):
            led.append(led_towards(led[-1], target(whole)))
        goal = target(time)
        return led_towards(led[int(time)], goal), goal

    def measured(time: float) -> tuple[float, str | None]:
        nonlocal last
        new, goal = reached(time)
        last = (new, goal)
        widths = atrial_width_mm(new, spacing, table)
        hindrance = None
        if brain.lost(new) > parenchyma_loss_max:
            hindrance = f"parenchyma_loss_max is {parenchyma_loss_max:g}"
        elif brain.csf_left(new) < csf_min_share - CSF_ALLOWANCE:
            hindrance = f"csf_min_share is {csf_min_share:g}"
        elif brain.mantle_of(new) < min(mantle_min_mm, brain.mantle_mm) - max(spacing):
            hindrance = f"mantle_min_mm is {mantle_min_mm:g}"
        return max(w for s in main if (w := widths[s]) is not None), hindrance

    first = (wanted - present) / (1.5 * STEP_MM)
    found = solve(measured, wanted, present, min(spacing[1:]) / 2, first, MOST_STEPS, NAME)
    new, goal = last
    displacement = flow.displacement(found.amount)
    folding = jacobian(displacement, old.shape, spacing, FLOW_MM)[within]
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
        "mantle_mm": brain.mantle_of(new),
        **before(old, spacing, table),
    }
    stays_within(old, new, NAME)
    certify(old, new, table, record, NAME)
    edited = label.copy()
    edited[box] = new
    painted = None if image is None else image.astype(np.float32)
    if painted is not None:
        places = voxels_from(displacement, old.shape, spacing, FLOW_MM)
        inside = (old > 0) | (new > 0)
        painted[box][inside] = pull_image(painted[box], places[:, inside])
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
        outside = (label == 0) | ((label == self.csf) & self.convexity)
        inside = edt.edt(~outside, anisotropy=self.spacing, black_border=True)
        return float(inside[lateral_ventricles(label, self.spacing, self.table)].min())
