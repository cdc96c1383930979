"""Normalisations without learnt scale and shift; all workers share their batch statistics.

Shape suffixes: B batch, C channels, H height, W width.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SumOverWorkers(torch.autograd.Function):
    """Sums a tensor over all workers, and its gradients, of any order, in the backward pass."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:  # torch gives its context no public type
        """Sum a tensor over all workers."""
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Sum a gradient over all workers."""
        return sum_over_workers(gradient)


def sum_over_workers(x: Tensor) -> Tensor:
    """Return the sum of a tensor over all workers; the tensor itself if there is only one."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x
    total: Tensor = SumOverWorkers.apply(x)  # type: ignore[no-untyped-call,unused-ignore]
    return total


def gather_over_workers(x: Tensor) -> tuple[Tensor, slice]:
    """Gather the batches (B, ...) of all workers, one after another.

    Returns:
        The global batch, and this worker's rows in it.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x, slice(0, len(x))
    rank, world = dist.get_rank(), dist.get_world_size()
    rows = slice(rank * len(x), (rank + 1) * len(x))
    before, after = x.new_zeros(rank * len(x), *x.shape[1:]), (world - rank - 1) * len(x)
    return sum_over_workers(torch.cat([before, x, x.new_zeros(after, *x.shape[1:])])), rows


class BatchNorm(nn.Module):
    """Normalises x to (x − μ) / √(σ² + ε).

    In training, μ and σ² are those of the batch of all workers; at inference, running statistics.
    torch's SyncBatchNorm does the same on GPUs but refuses CPU tensors, so the three sums (count,
    Σx, Σx²) are all-reduced here, on any device and backend. At inference the result of a pixel
    depends neither on the rest of the batch nor on how the slice was cropped.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalise each channel."""
        mean, variance = self.statistics(x_BCHW) if self.training else (self.mean, self.variance)
        scale, shift = self.affine(mean, variance)
        return x_BCHW * scale[:, None, None] + shift[:, None, None]

    def affine(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scale and the shift, each (C,), that normalise by these statistics."""
        scale = torch.rsqrt(variance + self.eps)
        return scale, -mean * scale

    def statistics(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and biased variance (C,) of the global batch, and update the running ones."""
        x = x_BCHW.float()
        count = x.new_tensor([x.numel() / x.shape[1]])
        sums = torch.cat([x.sum((0, 2, 3)), x.square().sum((0, 2, 3)), count])
        sums = sum_over_workers(sums)
        channels = x.shape[1]
        mean = sums[:channels] / sums[-1]
        variance = (sums[channels:-1] / sums[-1] - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance, self.momentum)
        return mean, variance


def normalisation(kind: str, channels: int) -> nn.Module:
    """Build a normalisation without learnt scale and shift.

    Args:
        kind: "batch" or "instance".
        channels: Number of channels of its input.

    Raises:
        ValueError: There is no such kind.
    """
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    raise ValueError(f"normalisation {kind!r}: 'batch' or 'instance'")
