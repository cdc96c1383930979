"""Intervals and agreement between readers, from plain arrays."""

import math

import numpy as np
from scipy import stats

LEVEL = 0.95
"""The confidence level of all intervals."""


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of independent values, and its interval by Student's t.

    With fewer than two values the ends of the interval are NaN; without any, so is the mean.
    """
    values = np.asarray(values, float)
    if values.size < 2:
        return (float(values[0]) if values.size else math.nan), math.nan, math.nan
    mean = float(values.mean())
    half = stats.t.ppf((1 + LEVEL) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - float(half), mean + float(half)


def difference_interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Return mean(a) − mean(b), and its interval by Welch.

    With fewer than two values of either the ends of the interval are NaN.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if not (a.size and b.size):
        return math.nan, math.nan, math.nan
    difference = float(a.mean() - b.mean())
    if min(a.size, b.size) < 2:
        return difference, math.nan, math.nan
    of_a, of_b = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size  # variances of the means
    variance = of_a + of_b
    if variance == 0:
        return difference, difference, difference
    freedom = variance**2 / (of_a**2 / (a.size - 1) + of_b**2 / (b.size - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(variance))
    return difference, difference - half, difference + half


def share_interval(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share observed in n independent trials; NaN for n = 0."""
    if n == 0:
        return math.nan, math.nan
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def fleiss_kappa(counts: np.ndarray) -> float:
    """Return Fleiss' kappa (Psychological Bulletin 76, 1971, equations 1 to 9).

    It is NaN if only one category was ever used, or nothing was rated, since agreement beyond
    chance is undefined then.

    Args:
        counts: [subject, category], how many readers put a subject into a category.

    Raises:
        ValueError: If rows do not all sum to the same number of readers, two or more.
    """
    counts = np.asarray(counts, float)
    if not counts.size:
        return math.nan
    readers = counts.sum(axis=1)
    if readers[0] < 2 or (readers != readers[0]).any():
        raise ValueError("every subject needs the same number of readers, two or more")
    n = readers[0]
    observed = ((counts**2).sum(axis=1) - n).mean() / (n * (n - 1))
    chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return math.nan if math.isclose(chance, 1) else float((observed - chance) / (1 - chance))
