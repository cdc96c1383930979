"""The device that renders."""

import torch

from factory.errors import PlanError


def best_device() -> str:
    """Return "cuda" if this machine has a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_for(requested: str | None, address: str | None) -> str:
    """Return the requested device, or the best one if none is requested.

    Args:
        requested: "cpu", "cuda" or None.
        address: The Ray cluster that renders, if any. It may have a GPU even if this
            machine has none.

    Raises:
        PlanError: If "cuda" is requested and there is no GPU.
    """
    if requested == "cuda" and not address and best_device() != requested:
        raise PlanError("--device cuda: no GPU here; allowed: cpu, or --address of a cluster")
    return requested or best_device()
