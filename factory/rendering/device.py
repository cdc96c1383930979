"""The device that renders."""

import torch

from factory.errors import PlanError


def best_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_for(asked: str | None, address: str | None) -> str:
    """The device as asked for, else the best. Raises PlanError where it is not there; a cluster at
    an address may have what this machine lacks."""
    if asked == "cuda" and not address and best_device() != asked:
        raise PlanError("--device cuda: no GPU here; allowed: cpu, or --address of a cluster")
    return asked or best_device()
