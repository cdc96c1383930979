"""Learning rates over the steps of a training.

A schedule returns the factor by which the initial rate is multiplied at a step.
"""

import math

from torch.optim import Optimizer


def constant_then_linear(step: int, constant: int, decay: int) -> float:
    """Return 1 for `constant` steps, then fall linearly to 0 over `decay` steps."""
    return min(1.0, (constant + decay - step) / max(decay, 1)) if step >= constant else 1.0


def cosine_after_half(step: int, steps: int) -> float:
    """Return 1 for the first half of the steps, then fall to 0 along a cosine."""
    return 0.5 * (1 + math.cos(math.pi * max(0.0, 2 * step / steps - 1)))


def linear_after_half(step: int, steps: int) -> float:
    """Return 1 for the first half of the steps, then fall linearly to 0."""
    return min(1.0, 2 * (1 - step / steps))


def set_learning_rate(optimiser: Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters of an optimiser."""
    for group in optimiser.param_groups:
        group["lr"] = rate
