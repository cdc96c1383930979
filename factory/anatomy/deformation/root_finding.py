"""The amount of an edit that brings a measure to what was asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from factory.errors import AnatomyError

EVALUATIONS = 8


@dataclass(frozen=True)
class Solved:
    """amount: of the edit. value: the measure it gives. evaluations: how many it took."""

    amount: float
    value: float
    evaluations: int


@dataclass(frozen=True)
class _Tried:
    amount: float
    value: float
    hindrance: str | None = None


def solve(
    measured: Callable[[float], tuple[float, str | None]],
    wanted: float,
    present: float,
    tolerance: float,
    first: float,
    most: float,
    what: str,
) -> Solved:
    """The amount in [0, most] that brings a growing measure to `wanted`, by false position, and
    by halving where that has just not halved the bracket.

    measured: amount -> value, and what forbids that amount, if anything. present: the value at 0.
    tolerance: how near will do. first: the amount to try first. what: the measure's name.
    Raises AnatomyError, with the largest value reached, where `wanted` cannot be, and where eight
    evaluations do not find it.
    """
    if abs(wanted - present) <= tolerance:
        return Solved(0.0, present, 0)
    if wanted < present:
        raise AnatomyError(f"{what}: {wanted:.1f} mm asked for, {present:.1f} mm is there already")
    low, high = _Tried(0.0, present), None
    amount, width = min(first, most), math.inf
    for count in range(1, EVALUATIONS + 1):
        value, hindrance = measured(amount)
        if hindrance is None and abs(value - wanted) <= tolerance:
            return Solved(amount, value, count)
        if hindrance is not None or value > wanted:
            high = _Tried(amount, value, hindrance)
        else:
            low = _Tried(amount, value)
            if amount >= most:
                break
        bracket = high.amount - low.amount if high is not None else math.inf
        if high is not None and width / 2 < bracket < width < math.inf:
            amount = (low.amount + high.amount) / 2
        else:
            amount = _next(low, high, wanted, present, most)
        width = bracket
    reached = f"{what}: {wanted:.1f} mm asked for, the largest that can be reached is"
    why = f" ({high.hindrance})" if high and high.hindrance else ""
    raise AnatomyError(f"{reached} {low.value:.1f} mm{why}")


def _next(low: _Tried, high: _Tried | None, wanted: float, present: float, most: float) -> float:
    if high is None:
        slope = (low.value - present) / low.amount
        ahead = (wanted - low.value) / slope if slope > 0 else most
        return min(most, low.amount + max(ahead, 0.1 * low.amount))
    share = (wanted - low.value) / (high.value - low.value) if high.value > wanted else 0.5
    return low.amount + min(max(share, 0.1), 0.9) * (high.amount - low.amount)


def solve_for_measure(
    measured: Callable[[float], float],
    wanted: float,
    present: float,
    tolerance: float,
    first: float,
    most: float,
    refusal: str,
) -> Solved:
    """The amount in [0, most] that takes a measure, rising or falling, from `present` to `wanted`.

    refusal: what to say where it cannot: "… {nearest:.1f} …" takes the nearest value there is.
    """
    sign = 1 if wanted >= present else -1
    tried = [present]

    def gained(amount: float) -> tuple[float, None]:
        tried.append(measured(amount))
        return sign * (tried[-1] - present), None

    try:
        return solve(gained, abs(wanted - present), 0.0, tolerance, first, most, "")
    except AnatomyError:
        nearest = min(tried, key=lambda value: abs(value - wanted))
        raise AnatomyError(refusal.format(nearest=nearest)) from None
