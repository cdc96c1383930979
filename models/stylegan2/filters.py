"""Fixed low-pass filters: resampling by 2 without aliasing.

Shape suffixes: B batch, C channels, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
"""What StyleGAN2 resamples with (Karras et al. 2020, section 4 and appendix B)."""


def kernel(taps: tuple[float, ...], gain: float, like: Tensor) -> Tensor:
    """The outer product of the taps, summing to gain, one a channel: (C, 1, k, k)."""
    line = torch.tensor(taps, dtype=like.dtype, device=like.device)
    plane = torch.outer(line, line)
    plane = plane * (gain / plane.sum())
    return plane.expand(like.shape[1], 1, -1, -1)


def blur(x_BCHW: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """Low-pass at the same resolution: (H, W) to (H + 2 padding − 3, ...)."""
    weight = kernel(BINOMIAL, gain, x_BCHW)
    return F.conv2d(x_BCHW, weight, padding=padding, groups=x_BCHW.shape[1])


def upsample(x_BCHW: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2H, 2W); a constant stays what it is inside."""
    weight = kernel(BINOMIAL, 4.0, x_BCHW)
    return F.conv_transpose2d(x_BCHW, weight, stride=2, padding=1, groups=x_BCHW.shape[1])
