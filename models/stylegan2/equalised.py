"""Layers with equalised learning rates (Karras et al. 2018, section 4.1).

Weights are drawn from N(0, 1) and scaled where they are used, so that Adam changes all of them at
the same speed. Shape suffixes: B batch, I inputs, O outputs, C channels, H height, W width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.stylegan2.filters import blur


def leaky_relu(x: Tensor) -> Tensor:
    """Apply a leaky ReLU of slope 0.2, times √2, so that the second moment stays the same."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


class Linear(nn.Module):
    """x Wᵀ + b."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rng: torch.Generator,
        rate: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        """Draw the weights.

        Args:
            inputs: Number of inputs.
            outputs: Number of outputs.
            rng: Source of the random numbers.
            rate: The layer's learning rate, relative to that of the others.
            bias: Initial bias.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, generator=rng) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return (B, O)."""
        return F.linear(x_BI, self.weight * self.gain, self.bias * self.rate)


class Conv(nn.Module):
    """A convolution that keeps the size, or with `down` halves it after a low-pass."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        rng: torch.Generator,
        bias: bool = True,
        down: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size, generator=rng))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.down = 1 / math.sqrt(inputs * size**2), down

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, O, H, W), or (B, O, H/2, W/2) with `down`."""
        weight = self.weight * self.gain
        reach = weight.shape[-1] // 2
        if self.down:
            return F.conv2d(blur(x_BCHW, 1 + reach), weight, self.bias, stride=2)
        return F.conv2d(x_BCHW, weight, self.bias, padding=reach)


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by a style, one factor for each input channel.

    Demodulation then scales each output channel to unit variance (Karras et al. 2020, section 2.2,
    eqs. 1–3). The weights are not scaled themselves: scaling the inputs and the outputs gives the
    same result with one convolution for the whole batch. With `up` the size is doubled and
    low-passed.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        latent: int,
        rng: torch.Generator,
        demodulate: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.style = Linear(latent, inputs, rng, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size, generator=rng))
        self.gain = 1 / math.sqrt(inputs * size**2)
        self.demodulate, self.up = demodulate, up

    def forward(self, x_BCHW: Tensor, w_BZ: Tensor) -> Tensor:
        """Convolve features in styles w."""
        style_BI = self.style(w_BZ)
        weight_OIkk = self.weight * self.gain
        x_BCHW = x_BCHW * style_BI[:, :, None, None].to(x_BCHW.dtype)
        if self.up:
            y = blur(F.conv_transpose2d(x_BCHW, weight_OIkk.transpose(0, 1), stride=2), 1, 4.0)
        else:
            y = F.conv2d(x_BCHW, weight_OIkk, padding=weight_OIkk.shape[-1] // 2)
        if not self.demodulate:
            return y
        energy_OI = weight_OIkk.float().square().sum((2, 3))
        scale_BO = torch.rsqrt(style_BI.float().square() @ energy_OI.T + 1e-8)
        return y * scale_BO[:, :, None, None].to(y.dtype)
