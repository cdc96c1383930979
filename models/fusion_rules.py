"""Rules that fuse three volumes, one for each slicing direction, voxel by voxel.

Fernandez Garcia et al.

`volumes` is (3, ...) float; results are (...) float.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Rule = str | Mapping[str, Mapping[str, float]]
"""A rule in a recipe: "mean", "closest_two" or {"reject_outliers": {"m": 0.5}}."""


def mean(volumes: Tensor) -> Tensor:
    """Return the mean of the three values."""
    return volumes.mean(0)


def reject_outliers(volumes: Tensor, m: float) -> Tensor:
    """Return the mean after outliers are replaced by the median (listing 1 of the paper).

    Args:
        volumes: (3, ...).
        m: Values at m or more median deviations from the median are outliers. A deviation is the
            median distance from the median, plus 1e-4.

    Raises:
        ValueError: m is not positive.
    """
    if m <= 0:
        raise ValueError(f"m is {m}; it must be positive")
    # The middle of three by sorting: torch.median errs on tensors expanded without a copy.
    median = volumes.sort(0).values[1]
    distance = (volumes - median).abs()
    deviation = distance.sort(0).values[1] + 1e-4
    return torch.where(distance / deviation < m, volumes, median).mean(0)


def closest_two(volumes: Tensor) -> Tensor:
    """Return the mean of the two closest of three values; of the lower two if both pairs are."""
    low, middle, high = volumes.sort(0).values
    return torch.where(middle - low <= high - middle, low + middle, middle + high) / 2


def disagreement(volumes: Tensor) -> Tensor:
    """Return the standard deviation of the three values: the uncertainty of each voxel."""
    return volumes.std(0, correction=0)


def fuse(volumes: Tensor, rule: Rule) -> Tensor:
    """Fuse volumes by a rule.

    Raises:
        ValueError: There is no such rule.
    """
    match rule:
        case "mean":
            return mean(volumes)
        case "closest_two":
            return closest_two(volumes)
        case {"reject_outliers": {"m": m}}:
            return reject_outliers(volumes, float(m))
    raise ValueError(
        f"fusion {rule!r}: 'mean', 'closest_two' or {{'reject_outliers': {{'m': 0.5}}}}"
    )
