"""Fixed low-pass filters, for resampling by 2 without aliasing.

Shape suffixes: B batch, C channels, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
"""The taps of StyleGAN2's filter (Karras et al. 2020, section 4 and appendix B)."""


def kernel(taps: tuple[float, ...], gain: float, like: Tensor) -> Tensor:
    """Return the kernel of a depthwise low-pass, (C, 1, k, k): the outer product of the taps.

    Args:
        taps: Taps along one axis.
        gain: Sum of the kernel.
        like: A tensor (B, C, H, W) that gives number of channels, type and device.
    """
    line = torch.tensor(taps, dtype=like.dtype, device=like.device)
    plane = torch.outer(line, line)
    plane = plane * (gain / plane.sum())
    return plane.expand(like.shape[1], 1, -1, -1)


def blur(x_BCHW: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """Filter at the same resolution, from (H, W) to (H + 2 padding − 3, W + 2 padding − 3)."""
    weight = kernel(BINOMIAL, gain, x_BCHW)
    return F.conv2d(x_BCHW, weight, padding=padding, groups=x_BCHW.shape[1])


def upsample(x_BCHW: Tensor) -> Tensor:
    """Double the resolution to (B, C, 2H, 2W); a constant stays the same except at the borders."""
    weight = kernel(BINOMIAL, 4.0, x_BCHW)
    return F.conv_transpose2d(x_BCHW, weight, stride=2, padding=1, groups=x_BCHW.shape[1])
