"""Random streams, one for each stack and defect, so that one defect does not change another."""

import numpy as np

DEFECTS = ("bias_field", "drift", "jerk", "dropped", "voids", "noise")
"""The position is the number of the stream. Never change the order; append new ones at the end."""


def random_stream(seed: int, stack: int, defect: str, channel: int = 0) -> np.random.Generator:
    """Return the generator of one defect of one stack and channel (from 0); seed in [0, 2**64)."""
    # An array with the type stated: from a list, numpy makes floats of seeds from 2**63.
    key = np.array([seed, channel << 32 | stack << 8 | DEFECTS.index(defect)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
