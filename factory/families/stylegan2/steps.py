"""Small pieces of the StyleGAN2 loop that know nothing of images."""

import torch
import torch.distributed as dist
from torch import nn

BETA2 = 0.99


def build_lazy_adam(module: nn.Module, rate: float, every: int) -> torch.optim.Adam:
    """Adam(0, 0.99) whose rate and decay make up for the extra steps of a regularisation every
    so many steps (Karras et al. 2020, appendix B)."""
    c = every / (every + 1)
    return torch.optim.Adam(module.parameters(), rate * c, (0.0, BETA2**c), eps=1e-8)


def update_weights(optimiser: torch.optim.Optimizer, module: nn.Module, world: int) -> None:
    """A step with the gradients averaged over workers."""
    if world > 1:
        for parameter in module.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
            parameter.grad.div_(world)
    optimiser.step()


def crosses_multiple(step: int, batch: int, every_kimg: float) -> bool:
    """Whether a multiple of every_kimg lies within this step."""
    every = every_kimg * 1000
    return step * batch // every > (step - 1) * batch // every
