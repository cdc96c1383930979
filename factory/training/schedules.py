"""Learning-rate schedules: the factor of the first rate at a step."""

import math


def constant_then_linear(step: int, constant: int, decay: int) -> float:
    """1 for `constant` steps, then linearly down to 0 over `decay` steps."""
    return min(1.0, (constant + decay - step) / max(decay, 1)) if step >= constant else 1.0


def cosine_after_half(step: int, steps: int) -> float:
    """1 for the first half of the steps, then along a cosine to 0."""
    return 0.5 * (1 + math.cos(math.pi * max(0.0, 2 * step / steps - 1)))


def linear_after_half(step: int, steps: int) -> float:
    """1 for the first half of the steps, then linearly to 0."""
    return min(1.0, 2 * (1 - step / steps))
