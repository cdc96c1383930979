"""Three volumes, one a slicing direction, fused voxel by voxel (Fernandez Garcia et al.).

`volumes` is (3, ...) float; results are (...) float. Each rule is exact and needs no loop.
"""

import torch
from torch import Tensor


def mean(volumes: Tensor) -> Tensor:
    return volumes.mean(0)


def reject_outliers(volumes: Tensor, m: float) -> Tensor:
    """Values m or more median deviations from the median give way to the median; then the mean.

    The deviation is the median distance from the median plus 1e-4 (listing 1 of the paper). A
    larger m rejects less. Raises ValueError where m is not positive.
    """
    if m <= 0:
        raise ValueError(f"m is {m}; it must be positive")
    # The middle of three by sorting: torch.median errs on tensors expanded without a copy.
    median = volumes.sort(0).values[1]
    distance = (volumes - median).abs()
    deviation = distance.sort(0).values[1] + 1e-4
    return torch.where(distance / deviation < m, volumes, median).mean(0)


def closest_two(volumes: Tensor) -> Tensor:
    """The mean of the two of three values that lie closest; the lower two where both pairs do."""
    low, middle, high = volumes.sort(0).values
    return torch.where(middle - low <= high - middle, low + middle, middle + high) / 2


def disagreement(volumes: Tensor) -> Tensor:
    """Standard deviation of the three about their mean: an uncertainty a voxel."""
    return volumes.std(0, correction=0)


def fuse(volumes: Tensor, rule: str | dict) -> Tensor:
    """By "mean", "closest_two" or {"reject_outliers": {"m": 0.5}}. Raises ValueError otherwise."""
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
