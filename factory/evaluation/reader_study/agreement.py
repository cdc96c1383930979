"""Intervals and agreement between readers, from plain arrays."""

import math

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Of all intervals."""


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of independent values, and its interval by Student's t; NaN ends for fewer than two."""
    values = np.asarray(values, float)
    if values.size < 2:
        return (float(values[0]) if values.size else math.nan), math.nan, math.nan
    mean = float(values.mean())
    half = stats.t.ppf((1 + LEVEL) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - float(half), mean + float(half)


def difference_interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """mean(a) − mean(b), and its interval by Welch; NaN ends for fewer than two of either."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if not (a.size and b.size):
        return math.nan, math.nan, math.nan
    difference = float(a.mean() - b.mean())
    if min(a.size, b.size) < 2:
        return difference, math.nan, math.nan
    va, vb = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    if va + vb == 0:
        return difference, difference, difference
    freedom = (va + vb) ** 2 / (va**2 / (a.size - 1) + vb**2 / (b.size - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(va + vb))
    return difference, difference - half, difference + half


def share_interval(share: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a share seen in n independent trials; NaN for n = 0."""
    if n == 0:
        return math.nan, math.nan
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def fleiss_kappa(counts: np.ndarray) -> float:
    """Fleiss' kappa (Psychological Bulletin 76, 1971, equations 1 to 9).

    counts: [subject, category], how many readers put a subject there; each row sums to the same
    number of readers, two or more (ValueError). NaN where only one category was ever used, or
    nothing was rated: there is no agreement beyond chance to speak of.
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
