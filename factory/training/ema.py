"""Exponential moving averages of weights."""

import torch
from torch import nn


@torch.no_grad()
def update_ema(ema: nn.Module, network: nn.Module, decay: float, *, copy_buffers: bool) -> None:
    """Average a network's weights in place: ema ← decay · ema + (1 − decay) · network.

    Args:
        ema: The averaged network.
        network: The network that is trained, of the same architecture.
        decay: From 0 to 1.
        copy_buffers: Copy the network's buffers into ema; otherwise ema's buffers stay.
    """
    for average, weight in zip(ema.parameters(), network.parameters(), strict=True):
        average.lerp_(weight, 1 - decay)
    if copy_buffers:
        for target, buffer in zip(ema.buffers(), network.buffers(), strict=True):
            target.copy_(buffer)


def warm_up_decay(decay: float, step: int) -> float:
    """Return a decay that rises from 0.1 at step 0, so that the initial weights are soon forgotten.

    Args:
        decay: The largest value.
        step: Index of the step, from 0.
    """
    return min(decay, (1 + step) / (10 + step))
