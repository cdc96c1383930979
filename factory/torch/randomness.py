"""The randomness of a transform: that of its item, whatever process or epoch calls it."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


@contextlib.contextmanager
def seeded(transform: Any, seed: int) -> Iterator[None]:
    """Let everything that a transform may draw from follow from a seed, while the block lasts.

    That is Python's, numpy's and torch's global generators (TorchIO, torchvision and most others
    draw from them), which are put back afterwards; and the generators that MONAI's and
    Albumentations' transforms keep to themselves.

    Arguments:
        transform: A callable, or a composition that has its parts in `transforms`.
        seed: From 0 to 2**64 - 1.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.default_generator.get_state()  # torch.manual_seed would seed the GPU's, too
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    _seed_own(transform, seed >> 32)  # other bits than numpy has
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.default_generator.set_state(cpu)


def _seed_own(transform: Any, seed: int) -> None:
    """Seed the generators that a transform, or the parts of a composition, keep to themselves."""
    if hasattr(transform, "set_random_state"):  # MONAI's, which reaches the parts of its own
        transform.set_random_state(seed=seed)
    elif hasattr(transform, "set_random_seed"):  # Albumentations'
        transform.set_random_seed(seed)
    else:
        for number, part in enumerate(getattr(transform, "transforms", ())):
            _seed_own(part, (seed + number) % 2**32)
