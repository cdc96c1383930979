"""Let structures grow or shrink until a measure has a value, and move what surrounds them.

The flow that makes room for ventricles does it for any structure (see flow). It is computed in a
box around the structure, in units of the smallest voxel side, so a mouse and a man have the same
lattice. Arrays are [z, y, x], spacing is mm (z, y, x).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np

from factory.anatomy.deformation.course import Course
from factory.anatomy.deformation.flow import FLOW_MM, Flow
from factory.anatomy.deformation.invariants import check_invariants
from factory.anatomy.deformation.root_finding import solve
from factory.errors import AnatomyError
from factory.imaging.boxes import bounding_box, widen_box
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

MAX_STEPS = 60.0
RIM = 8
"""Voxels at the sides of the box over which the motion fades."""
MIN_REACH = 20
"""Voxels around the structure, at least, that make room."""
STILL_RIM = 2
"""Voxels at the sides of the box that never change."""
YIELD_MIN_SHARE = 0.3
"""The share of its volume that what yields keeps at every place."""
RELUCTANCE = 0.2
"""Weight of a label that makes room reluctantly; the flow takes its square."""
MOST_NODES = 250_000
"""Of the lattice of the flow, which is coarser in larger boxes."""
MOST_MOVING = 64
"""How many labels can move together."""
FEWEST_VOXELS = 100
"""The loss of smaller neighbours is not judged: a voxel of it is a large share."""


@dataclass(frozen=True)
class Surroundings:
    """What may happen around a structure.

    Attributes:
        fixed: Labels that do not move.
        yields: Labels that make room; of none, all do so alike.
        loss_max: The share of its volume that any other neighbour may lose.
        together: Whether loss_max is that of all other neighbours together instead.
        reluctant: Labels that make room too, but hardly before those that yield are used up.
    """

    fixed: tuple[int, ...]
    yields: tuple[int, ...]
    loss_max: float
    together: bool = False
    reluctant: tuple[int, ...] = ()


@dataclass(frozen=True)
class SizeRequest:
    """The value that a measure must reach.

    Attributes:
        present: The value before.
        target: The value to reach.
        tolerance: How close is close enough.
        words: A message with {target}, the value that was requested.
        unit: The unit of the values, for the message.
        volume_ratio: By about what factor the structure's volume changes.
    """

    present: float
    target: float
    tolerance: float
    words: str
    unit: str
    volume_ratio: float


@dataclass(frozen=True)
class Displaced:
    """An anatomy after its structures have grown or shrunk.

    Attributes:
        label: The new label map.
        box: The box in which anything changed.
        course: The label maps on the way.
        time: Where on the way it is.
        goal: The label map of the box towards which it was changed.
        solid: The labels that neither yield nor are part of the structures.
        voxels_before: Number of voxels of each label of the array before.
    """

    label: np.ndarray
    box: tuple[slice, ...]
    course: Course
    time: float
    goal: np.ndarray
    solid: tuple[int, ...]
    voxels_before: np.ndarray

    def losses(self) -> dict[int, float]:
        """Return the share of its volume that each solid neighbour has lost."""
        return _losses(self.course, self.label[self.box], self.solid, self.voxels_before)

    def loss_of_all(self) -> float:
        """Return the share that all solid neighbours have lost; no gain offsets a loss."""
        return _loss_of_all(self.losses(), self.voxels_before)

    def check(self, table: LabelTable, name: str) -> None:
        """Raise AnatomyError if the map folds or the topology of a label changed."""
        jacobian_min = self.certificate(table)["jacobian_min"]
        check_invariants(self.course.old, self.label[self.box], table, jacobian_min, name)

    def certificate(self, table: LabelTable) -> JsonObject:
        """Return the extremes of the Jacobian and the largest loss of a neighbour."""
        displacement = self.course.flow.displacement(self.time)
        losses = {value: loss for value, loss in self.losses().items() if loss}
        most = max(losses, key=lambda value: losses[value], default=None)
        return {
            **self.course.certificate(self.label[self.box], self.goal, displacement),
            "largest_loss": 0.0 if most is None else losses[most],
            "largest_loss_of": None if most is None else table.names[most],
        }

    def warp_image(self, image: np.ndarray | None) -> np.ndarray | None:
        """Return the image moved along."""
        if image is None:
            return None
        painted = image.astype(np.float32)
        displacement = self.course.flow.displacement(self.time)
        box: tuple[Any, ...] = (..., *self.box)  # of every channel
        self.course.warp_image(painted[box], self.course.within, displacement)
        return painted


def displace_structures(
    label: np.ndarray,
    spacing: Spacing,
    sources: Mapping[str, np.ndarray],
    surroundings: Surroundings,
    request: SizeRequest,
    measure: Callable[[np.ndarray], float],
    name: str,
) -> Displaced:
    """Let structures grow or shrink until a measure of the label map has a value.

    Args:
        label: [z, y, x]; not changed.
        spacing: mm (z, y, x).
        sources: The structures by name, bool [z, y, x]. Each changes in proportion to its volume.
        surroundings: What may happen around them.
        request: The value to reach. Above the present one they grow, below it they shrink.
        measure: The measure, a function of the label map.
        name: The edit's name, for messages.

    Raises:
        AnatomyError: The value cannot be reached; the message has the nearest.
    """
    grows = request.target >= request.present
    box, course, solid = _set_out(label, spacing, sources, surroundings, request, name)
    voxels = np.bincount(label.ravel(), minlength=256)
    values = [request.present]
    violations: list[str | None] = [None]

    def label_at(time: float) -> tuple[np.ndarray, np.ndarray]:
        inside, goal = course.label_at(time)
        new = label.copy()
        new[box] = inside
        return new, goal

    def change(time: float) -> tuple[float, str | None]:
        new, _ = label_at(time)
        losses = _losses(course, new[box], solid, voxels)
        loss = max(losses.values(), default=0.0)
        if surroundings.together:
            loss = _loss_of_all(losses, voxels)
        violated = loss > surroundings.loss_max
        violations.append(f"loss_max is {surroundings.loss_max:g}" if violated else None)
        value = measure(new)
        if not violated:
            values.append(value)
        return (value - request.present) * (1 if grows else -1), violations[-1]

    goal_change = abs(request.target - request.present)
    size = sum(int(mask.sum()) for mask in sources.values())
    radius = (size * 3 / (4 * np.pi)) ** (1 / 3)
    first = max(0.05, radius * abs(request.volume_ratio ** (1 / 3) - 1))
    try:
        time = solve(change, goal_change, 0.0, request.tolerance, first, MAX_STEPS, "").amount
    except AnatomyError:
        nearest = min(values, key=lambda value: abs(value - request.target))
        reason = f" ({reasons[0]})" if (reasons := [v for v in violations if v]) else ""
        text = f"{name}: {request.words} requested; the nearest that can be reached is"
        raise AnatomyError(f"{text} {nearest:.3g} {request.unit}{reason}".rstrip()) from None
    new, goal = label_at(time) if time else (label.copy(), course.old)
    return Displaced(new, box, course, time, goal, solid, voxels)


def _set_out(
    label: np.ndarray,
    spacing: Spacing,
    sources: Mapping[str, np.ndarray],
    surroundings: Surroundings,
    request: SizeRequest,
    name: str,
) -> tuple[tuple[slice, ...], Course, tuple[int, ...]]:
    """Return the box, the way of its label map, and the labels that are neither source nor sink."""
    mask = np.logical_or.reduce(list(sources.values()))
    box = _box_around(mask, spacing, request.volume_ratio)
    old = np.ascontiguousarray(label[box])
    finest_mm = min(s for s, n in zip(spacing, label.shape, strict=True) if n > 1)
    size_mm = [n * s for n, s in zip(old.shape, spacing, strict=True) if n > 1]
    unit = max(finest_mm, float(np.prod(size_mm) / MOST_NODES) ** (1 / len(size_mm)) / FLOW_MM)
    inner = np.ones(old.shape, bool)
    still = np.ones(old.shape, bool)
    for axis, (side, length) in enumerate(zip(box, label.shape, strict=True)):
        for rim, free in ((round(RIM * unit / finest_mm), inner), (STILL_RIM, still)):
            ends = np.moveaxis(free, axis, 0)
            ends[: rim if side.start > 0 else 0] = False
            ends[len(ends) - (rim if side.stop < length else 0) :] = False
    free = _component_of(~np.isin(old, surroundings.fixed), mask[box])
    present_values = np.unique(old[free])
    if len(present_values) > MOST_MOVING:
        text = f"{len(present_values)} labels would move; allowed: {MOST_MOVING}, the others fixed"
        raise AnatomyError(f"{name}: {text}")
    moving = [int(v) for v in present_values]
    yields = surroundings.yields or tuple(v for v in moving if v == 0)
    room = np.isin(old, yields) & free
    if surroundings.reluctant:
        room = np.where(np.isin(old, surroundings.reluctant) & free, RELUCTANCE, room)
        yields = (*yields, *surroundings.reluctant)
    structure = {int(v) for v in np.unique(old[mask[box]])}
    solid = tuple(v for v in moving if v not in (0, *yields, *structure))
    in_voxels = (spacing[0] / unit, spacing[1] / unit, spacing[2] / unit)
    sign = 1 if request.target >= request.present else -1
    boxed = {key: source[box] for key, source in sources.items()}
    flow = Flow(
        boxed, {key: sign * float(source.sum()) for key, source in boxed.items()},
        room, np.isin(old, solid) & free, free & inner, in_voxels,
        YIELD_MIN_SHARE,
    )  # fmt: skip
    return box, Course(old, in_voxels, flow, moving, free & still, solid), solid


def _box_around(mask: np.ndarray, spacing: Spacing, volume_ratio: float) -> tuple[slice, ...]:
    """Return the box of a structure with what moves around it."""
    unit = min(s for s, n in zip(spacing, mask.shape, strict=True) if n > 1)
    tight = bounding_box(mask)
    side = max((b.stop - b.start) * s / unit for b, s in zip(tight, spacing, strict=True))
    reach = RIM + max(MIN_REACH, 0.5 * side * max(volume_ratio, 1.0) ** (1 / 3))
    return widen_box(tight, [int(reach * unit / s) + 1 for s in spacing], mask.shape)


def _component_of(free: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the components of a mask of voxels that contain a part of another mask."""
    pieces = cc3d.connected_components(free, connectivity=6)
    values = np.unique(pieces[mask & free])
    component: np.ndarray = np.isin(pieces, values[values > 0])
    return component


def _losses(
    course: Course, new: np.ndarray, solid: tuple[int, ...], voxels: np.ndarray
) -> dict[int, float]:
    """Return the share that each solid label has lost of all its voxels in the array."""
    after = np.bincount(new.ravel(), minlength=len(course.voxels))
    return {
        value: float(max(0, course.voxels[value] - after[value]) / voxels[value])
        for value in solid
        if voxels[value] >= FEWEST_VOXELS
    }


def _loss_of_all(losses: Mapping[int, float], voxels: np.ndarray) -> float:
    """Return the share of their voxels that labels have lost together."""
    lost = sum(loss * int(voxels[value]) for value, loss in losses.items())
    return float(lost / max(1, sum(int(voxels[value]) for value in losses)))
