"""Affine-free normalisations whose batch statistics are shared by all workers of a training.

Shape suffixes: B batch, C channels, H height, W width.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SumOverWorkers(torch.autograd.Function):
    """The sum of a tensor over all workers, and of its gradients on the way back, of any order."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return SumOverWorkers.apply(gradient)


def over_workers(x: Tensor) -> tuple[Tensor, slice]:
    """The batches (B, ...) of all workers, one after another, and where this worker's own lies."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x, slice(0, len(x))
    rank, world = dist.get_rank(), dist.get_world_size()
    own = slice(rank * len(x), (rank + 1) * len(x))
    before, after = x.new_zeros(rank * len(x), *x.shape[1:]), (world - rank - 1) * len(x)
    return SumOverWorkers.apply(torch.cat([before, x, x.new_zeros(after, *x.shape[1:])])), own


class BatchNorm(nn.Module):
    """(x − μ) / √(σ² + ε) over the batch of all workers; running statistics at inference.

    torch's SyncBatchNorm does this on GPUs but refuses CPU tensors, so the three sums (count, Σx,
    Σx²) are all-reduced here, on any device and backend. At inference the result of a pixel does
    not depend on what else is in the batch or on how the slice was cropped.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        mean, variance = self.statistics(x_BCHW) if self.training else (self.mean, self.variance)
        scale, shift = self.affine(mean, variance)
        return x_BCHW * scale[:, None, None] + shift[:, None, None]

    def affine(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """What the normalisation by these statistics multiplies by and adds, each (C,)."""
        scale = torch.rsqrt(variance + self.eps)
        return scale, -mean * scale

    def statistics(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance (C,), (C,) over the global batch; updates the running ones."""
        x = x_BCHW.float()
        count = x.new_tensor([x.numel() / x.shape[1]])
        sums = torch.cat([x.sum((0, 2, 3)), x.square().sum((0, 2, 3)), count])
        if dist.is_initialized() and dist.get_world_size() > 1:
            sums = SumOverWorkers.apply(sums)
        channels = x.shape[1]
        mean = sums[:channels] / sums[-1]
        variance = (sums[channels:-1] / sums[-1] - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance, self.momentum)
        return mean, variance


def normalisation(kind: str, channels: int) -> nn.Module:
    """'batch' or 'instance', without learnt scale and shift."""
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    raise ValueError(f"normalisation {kind!r}: 'batch' or 'instance'")
