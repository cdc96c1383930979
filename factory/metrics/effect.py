"""The effect of one way of training over another, measured on the same subjects."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""The level of the confidence interval."""

ENOUGH = 6
"""The least number of pairs for which a p-value is given.

With five pairs the p-value cannot fall below 0.0625, even if all differences agree."""


@dataclass(frozen=True)
class Effect:
    """The mean difference of paired values.

    Attributes:
        n: Number of pairs.
        mean: Mean of the differences.
        low: Lower end of the 95 % confidence interval (Student's t); NaN for a single pair.
        high: Upper end of the interval.
        p: Exact p-value of Wilcoxon's signed-rank test; NaN for fewer than ENOUGH pairs.
    """

    n: int
    mean: float
    low: float
    high: float
    p: float


def effect(after: np.ndarray, before: np.ndarray) -> Effect:
    """Compute the effect `after` − `before`.

    Args:
        after: A value for each subject.
        before: A value for each subject, in the same order. Pairs with a NaN are ignored.
    """
    difference = np.asarray(after, float) - np.asarray(before, float)
    difference = difference[~np.isnan(difference)]
    n = len(difference)
    if n == 0:
        return Effect(0, np.nan, np.nan, np.nan, np.nan)
    mean = float(difference.mean())
    half_width = np.nan
    if n > 1:
        half_width = float(stats.sem(difference) * stats.t.ppf((1 + LEVEL) / 2, n - 1))
    p = np.nan
    if n >= ENOUGH:
        p = float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
    return Effect(n, mean, mean - half_width, mean + half_width, p)
