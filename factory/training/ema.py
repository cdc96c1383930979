"""Exponential moving averages of weights."""

import torch
from torch import nn


@torch.no_grad()
def ema_update(ema: nn.Module, module: nn.Module, decay: float, *, copy_buffers: bool) -> None:
    """Average a network's weights in place: ema ← decay · ema + (1 − decay) · module.

    Arguments:
        ema: The averaged network.
        module: The network that is trained, of the same architecture.
        decay: From 0 to 1.
        copy_buffers: Take the network's buffers as they are; else ema keeps its own.
    """
    for slow, fast in zip(ema.parameters(), module.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
    if copy_buffers:
        for kept, buffer in zip(ema.buffers(), module.buffers(), strict=True):
            kept.copy_(buffer)
