"""Find the amount of an edit that brings a measure to a requested value."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from factory.errors import AnatomyError

EVALUATIONS = 8


@dataclass(frozen=True)
class Solution:
    """The amount of an edit, the value of the measure it gives, and the evaluations it took."""

    amount: float
    value: float
    evaluations: int


@dataclass(frozen=True)
class _Evaluation:
    amount: float
    value: float
    violation: str | None = None


def solve(
    measure: Callable[[float], tuple[float, str | None]],
    target: float,
    present: float,
    tolerance: float,
    first_amount: float,
    max_amount: float,
    quantity: str,
) -> Solution:
    """Find the amount in [0, max_amount] at which a growing measure reaches a target.

    By false position; by bisection after a step that did not halve the bracket.

    Args:
        measure: amount -> the value (mm), and the limit that this amount violates, if any.
        target: The value to reach, mm.
        present: The value at amount 0, mm.
        tolerance: How close to the target is close enough, mm.
        first_amount: The amount to try first.
        max_amount: The largest amount to try.
        quantity: Name of the measure, for messages.

    Raises:
        AnatomyError: The target cannot be reached, or not within eight evaluations. The message
            has the largest value that was reached.
    """
    if abs(target - present) <= tolerance:
        return Solution(0.0, present, 0)
    if target < present:
        text = f"{target:.1f} mm requested, which is less than the present {present:.1f} mm"
        raise AnatomyError(f"{quantity}: {text}")
    low, high = _Evaluation(0.0, present), None
    amount, width = min(first_amount, max_amount), math.inf
    for count in range(1, EVALUATIONS + 1):
        value, violation = measure(amount)
        if violation is None and abs(value - target) <= tolerance:
            return Solution(amount, value, count)
        if violation is not None or value > target:
            high = _Evaluation(amount, value, violation)
        else:
            low = _Evaluation(amount, value)
            if amount >= max_amount:
                break
        bracket = high.amount - low.amount if high is not None else math.inf
        if high is not None and width / 2 < bracket < width < math.inf:
            amount = (low.amount + high.amount) / 2
        else:
            amount = _next_amount(low, high, target, present, max_amount)
        width = bracket
    reason = f" ({high.violation})" if high and high.violation else ""
    text = f"{target:.1f} mm requested; the largest that can be reached is {low.value:.1f} mm"
    raise AnatomyError(f"{quantity}: {text}{reason}")


def _next_amount(
    low: _Evaluation, high: _Evaluation | None, target: float, present: float, max_amount: float
) -> float:
    """Return the amount that a straight line suggests, clear of the ends of the bracket."""
    if high is None:
        slope = (low.value - present) / low.amount
        step = (target - low.value) / slope if slope > 0 else max_amount
        return min(max_amount, low.amount + max(step, 0.1 * low.amount))
    share = (target - low.value) / (high.value - low.value) if high.value > target else 0.5
    return low.amount + min(max(share, 0.1), 0.9) * (high.amount - low.amount)


def solve_for_measure(
    measure: Callable[[float], float],
    target: float,
    present: float,
    tolerance: float,
    first_amount: float,
    max_amount: float,
    refusal: str,
) -> Solution:
    """Find the amount in [0, max_amount] that takes a rising or falling measure to a target.

    Args:
        measure: amount -> value.
        target: The value to reach.
        present: The value at amount 0.
        tolerance: How close to the target is close enough.
        first_amount: The amount to try first.
        max_amount: The largest amount to try.
        refusal: The message if the target cannot be reached; "{nearest:.1f}" in it stands for the
            nearest value that was reached.

    Raises:
        AnatomyError: The target cannot be reached; with `refusal`.
    """
    sign = 1 if target >= present else -1
    values = [present]

    def change(amount: float) -> tuple[float, None]:
        values.append(measure(amount))
        return sign * (values[-1] - present), None

    try:
        return solve(change, abs(target - present), 0.0, tolerance, first_amount, max_amount, "")
    except AnatomyError:
        nearest = min(values, key=lambda value: abs(value - target))
        raise AnatomyError(refusal.format(nearest=nearest)) from None
