"""Random generators and seeds that are functions of an identity."""

import hashlib
import json

import numpy as np

from factory.storage.json_value import JsonValue


def random_generator(seed: int, *identity: JsonValue) -> np.random.Generator:
    """Return the random generator that belongs to a seed and an identity.

    The generator is counter-based (Philox). Its key is a hash of seed and identity, so that the
    same identity gets the same numbers in any order of the work.
    """
    text = json.dumps([seed, *identity], separators=(",", ":"))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def derive_seed(seed: int, *identity: JsonValue) -> int:
    """Return a seed for an identity, below 2**53, so that every JSON reader keeps it exact."""
    return int(random_generator(seed, *identity).integers(2**53))
