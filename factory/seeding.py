"""Random generators and seeds that follow from an identity."""

import hashlib
import json
from typing import Any

import numpy as np


def random_generator(seed: int, *identity: Any) -> np.random.Generator:
    """The generator that belongs to an identity (plain JSON)."""
    text = json.dumps([seed, *identity], separators=(",", ":"))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def derive_seed(seed: int, *identity: Any) -> int:
    """A seed for others to draw with: a whole number that JSON readers keep exact."""
    return int(random_generator(seed, *identity).integers(2**53))
