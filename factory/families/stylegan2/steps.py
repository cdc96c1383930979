"""Small parts of the StyleGAN2 training loop that do not depend on the images."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from factory.training.run import Run

BETA2 = 0.99
"""Adam's β₂ without lazy regularisation; β₁ is 0."""


def build_lazy_adam(module: nn.Module, rate: float, interval: int) -> torch.optim.Adam:
    """Return Adam for a network that is regularised lazily (Karras et al. 2020, appendix B).

    Args:
        module: The network.
        rate: The learning rate without regularisation.
        interval: Steps between two regularisations. Learning rate and β₂ are corrected for the
            additional optimiser steps.
    """
    c = interval / (interval + 1)
    return torch.optim.Adam(module.parameters(), rate * c, (0.0, BETA2**c), eps=1e-8)


def descend(optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor, run: Run) -> None:
    """Take one step down a loss, with the gradients of a network averaged over the workers."""
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    if run.world > 1:
        for parameter in module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad.div_(run.world)
    optimiser.step()


def mean_over_workers(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all workers."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


def crosses_multiple(step: int, batch: int, interval_kimg: float) -> bool:
    """Return whether the images of a step, counted from 1, reach a multiple of an interval."""
    interval = interval_kimg * 1000
    return step * batch // interval > (step - 1) * batch // interval
