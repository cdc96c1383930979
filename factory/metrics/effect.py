"""The effect of one way of training over another, on the same subjects."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95

ENOUGH = 6
"""Pairs below which no p-value is given: of five, even unanimous ones have 0.0625 at the least."""


@dataclass(frozen=True)
class Effect:
    """n: pairs. mean: of the differences. low, high: of its 95 % confidence interval (Student's t;
    NaN for a single pair). p: Wilcoxon's signed-rank test, exact; NaN below ENOUGH pairs."""

    n: int
    mean: float
    low: float
    high: float
    p: float


def effect(after: np.ndarray, before: np.ndarray) -> Effect:
    """Of paired values, one a subject; pairs of which one has no value (NaN) are left out."""
    difference = np.asarray(after, float) - np.asarray(before, float)
    difference = difference[~np.isnan(difference)]
    n = len(difference)
    if n == 0:
        return Effect(0, np.nan, np.nan, np.nan, np.nan)
    mean = float(difference.mean())
    reach = np.nan
    if n > 1:
        reach = float(stats.sem(difference) * stats.t.ppf((1 + LEVEL) / 2, n - 1))
    p = np.nan
    if n >= ENOUGH:
        p = float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
    return Effect(n, mean, mean - reach, mean + reach, p)
