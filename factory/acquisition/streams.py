"""Random streams, one a stack and a defect: turning one on leaves the others as they were."""

import numpy as np

DEFECTS = ("bias_field", "drift", "jerk", "dropped", "voids", "noise")
"""In this order for good: a stream's number is its place. New ones go at the end."""


def random_stream(seed: int, stack: int, defect: str) -> np.random.Generator:
    """The generator of one defect of one stack (counted from 0); seed in [0, 2**64)."""
    # An array of its own type: in a list, a seed of 2**63 or more would become a float.
    key = np.array([seed, stack << 8 | DEFECTS.index(defect)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
