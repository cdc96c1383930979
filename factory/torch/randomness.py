"""Make a transform's randomness depend on its item, not on the process or the epoch."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any  # transforms of any library

import numpy as np
import torch


@contextlib.contextmanager
def seed_transform(transform: Any, seed: int) -> Iterator[None]:
    """Seed all random generators that a transform may use, while the block lasts.

    These are the global generators of Python, numpy and torch, which TorchIO, torchvision and most
    others use; their state is restored afterwards. And there are the transforms of MONAI and
    Albumentations, which have their own generators.

    Args:
        transform: A callable, or a composition that has its parts in `transforms`.
        seed: From 0 to 2**64 - 1.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.default_generator.get_state()  # torch.manual_seed would also seed the GPU's
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    _seed_own_generators(transform, seed >> 32)  # other bits than numpy uses
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.default_generator.set_state(cpu)


def _seed_own_generators(transform: Any, seed: int) -> None:
    """Seed the own generators of a transform, or of the parts of a composition."""
    if hasattr(
        transform, "set_random_state"
    ):  # of MONAI, which also seeds the parts of a composition
        transform.set_random_state(seed=seed)
    elif hasattr(transform, "set_random_seed"):  # of Albumentations
        transform.set_random_seed(seed)
    else:
        for number, child in enumerate(getattr(transform, "transforms", ())):
            _seed_own_generators(child, (seed + number) % 2**32)
