"""Random streams, one a stack and a defect: turning one on leaves the others as they were."""

import numpy as np

DEFECTS = ("bias_field", "drift", "jerk", "dropped", "voids", "noise")
"""In this order for good: a stream's number is its place. New ones go at the end."""


def stream(seed: int, stack: int, defect: str) -> np.random.Generator:
    """The generator of one defect of one stack (counted from 0); seed in [0, 2**64)."""
    return np.random.Generator(np.random.Philox(key=[seed, stack << 8 | DEFECTS.index(defect)]))
