"""Lateral ventricles that become narrower: where the room comes from that they give up.

In a fixed skull it becomes external CSF, since the brain keeps its volume and follows the wall of
the ventricles inwards. Where a brain has enough external CSF, all of it takes its part. In a
Chiari II malformation the brain touches the skull almost everywhere. There the outside of the
brain moves inwards as if the skull came with it, and the subarachnoid space that opens is filled
afterwards. Arrays are [z, y, x], spacing is mm (z, y, x).
"""

from collections.abc import Callable, Mapping

import numpy as np

from factory.anatomy.deformation.repaint import smooth_distance_mm
from factory.anatomy.deformation.root_finding import Solution, solve
from factory.errors import AnatomyError
from factory.imaging.types import Spacing
from factory.storage.subjects.types import LabelTable


def plan_narrowing(
    label: np.ndarray,
    sides: Mapping[str, np.ndarray],
    growth: tuple[tuple[str, float], ...],
    table: LabelTable,
    head_growth: float,
    name: str,
) -> tuple[tuple[tuple[str, float], ...], float]:
    """Return what each side loses, and by what share of the loss the brain leaves the skull.

    Args:
        label: uint8 [z, y, x].
        sides: The lateral ventricles "left" and "right", bool [z, y, x].
        growth: The share of each side, 1 for a side that must reach the width.
        table: What the values of label mean.
        head_growth: The share of the loss by which the head becomes smaller.
        name: The edit's name, for messages.

    Returns:
        The growth of each side, negative and in proportion to its volume; and the share of the loss
        by which the outside of the brain moves inwards, at least head_growth. It exceeds
        head_growth where there is less external CSF than there are lateral ventricles, since
        otherwise little pools of CSF would have to become large ones.

    Raises:
        AnatomyError: Nothing can take the room.
    """
    lost = tuple((side, -share * float(sides[side].sum())) for side, share in growth)
    if head_growth == 1:
        return lost, head_growth
    if "external_csf" not in table.names:
        text = "the labels have no external_csf that could fill the room; give head_growth: 1"
        raise AnatomyError(f"{name}: {text}")
    fluid = int((label == table.index("external_csf")).sum())
    ventricles = sum(int(mask.sum()) for mask in sides.values())
    opening = max(0.0, 1 - fluid / max(1, ventricles))
    return lost, head_growth + (1 - head_growth) * opening


def solve_falling(
    measure: Callable[[float], tuple[float, str | None]],
    target: float,
    present: float,
    tolerance: float,
    first_amount: float,
    max_amount: float,
    name: str,
) -> Solution:
    """Find the amount at which a falling measure reaches a target; see `root_finding.solve`.

    Raises:
        AnatomyError: The target cannot be reached; the message has the smallest value that can.
    """
    smallest, reason = present, ""

    def change(amount: float) -> tuple[float, str | None]:
        nonlocal smallest, reason
        value, violation = measure(amount)
        if violation is None:
            smallest = min(smallest, value)
        else:
            reason = f" ({violation})"
        return present - value, violation

    try:
        return solve(change, present - target, 0.0, tolerance, first_amount, max_amount, name)
    except AnatomyError:
        text = f"{target:.1f} mm requested; the smallest that can be reached is {smallest:.1f} mm"
        raise AnatomyError(f"{name}: {text}{reason}") from None


def opened_space(old: np.ndarray, new: np.ndarray, share: float, spacing: Spacing) -> np.ndarray:
    """Return what a head that became smaller has opened within the old one, bool [z, y, x].

    Args:
        old: The label map before.
        new: The label map after.
        share: The share of it that is wanted, 0 to 1; what is nearest to the new head is returned.
        spacing: mm (z, y, x).
    """
    opened: np.ndarray = (new == 0) & (old != 0)
    count = round(share * int(opened.sum()))
    if 0 < count < opened.sum():
        distance_mm = smooth_distance_mm(new != 0, spacing)
        farthest = np.partition(distance_mm[opened], count - 1)[count - 1]
        opened &= distance_mm <= farthest
    return opened if count else np.zeros_like(opened)
