"""Warps and filters whose gradients can be differentiated again, as R1 asks.

Shape suffixes: B batch, C channels, H, W pixels.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# The scaling filter of the wavelet sym6 (Daubechies 1988): minimal aliasing for its length.
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip

SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
"""The scaling filter of sym2, from which the four bands are made."""

EXPECTED_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""Of natural images, by band (appendix B): gains are set so that the whole stays what it was."""


class _Sample(torch.autograd.Function):
    """Bilinear samples, reflected at the borders. Linear in the image: its derivative is its
    adjoint, whose derivative is itself. torch's own can be differentiated once only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return F.grid_sample(x, grid, "bilinear", "reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradient, grid, ctx.shape), None


class _Spread(torch.autograd.Function):
    """The adjoint of _Sample."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        like = gradient.new_zeros(shape)
        spread, _ = torch.ops.aten.grid_sampler_2d_backward(
            gradient.contiguous(), like, grid, 0, 2, False, [True, False]
        )
        return spread

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _Sample.apply(gradient, grid), None, None


def warp(x_BCHW: Tensor, matrix_B33: Tensor) -> Tensor:
    """Each image at matrix · (x, y, 1), in half sides about the middle; borders reflect.

    At twice the resolution, between low-passes of sym6 (appendix B), so that nothing aliases;
    whole-pixel moves, mirrors and quarter turns give the pixels as they are.
    """
    x = x_BCHW.float()
    height, width = x.shape[-2:]
    exact = _keeps_pixels(matrix_B33, height, width)
    parts = torch.empty_like(x)
    for chosen, fine in ((exact, False), (~exact, True)):
        if not bool(chosen.any()):
            continue
        part, matrix = x[chosen], matrix_B33[chosen]
        source = _doubled(part) if fine else part
        size = [len(part), 1, height * (2 if fine else 1), width * (2 if fine else 1)]
        grid = F.affine_grid(matrix[:, :2].float(), size, align_corners=False)
        moved = _Sample.apply(source, grid)
        where = torch.nonzero(chosen)[:, 0]
        parts = parts.index_copy(0, where, _halved(moved) if fine else moved)
    return parts.to(x_BCHW.dtype)


def _keeps_pixels(matrix_B33: Tensor, height: int, width: int) -> Tensor:
    """Whether every pixel's middle comes from a pixel's middle: bool (B,)."""
    linear, moves = matrix_B33[:, :2, :2], matrix_B33[:, :2, 2]
    turned = torch.isclose(linear, linear.round(), atol=1e-4).flatten(1).all(1)
    turned &= torch.isclose(linear.det().abs(), linear.new_ones(()), atol=1e-4)
    pixels = moves * moves.new_tensor([width, height]) / 2
    return turned & torch.isclose(pixels, pixels.round(), atol=1e-3).all(1)


def _doubled(x_BCHW: Tensor) -> Tensor:
    """Twice the resolution; pixel middles lie as those of (2H, 2W) do."""
    return _along_both(x_BCHW, doubling)


def _halved(x_BCHW: Tensor) -> Tensor:
    """Half the resolution."""
    return _along_both(x_BCHW, halving)


def _along_both(x_BCHW: Tensor, resampler: Callable[[int], Tensor]) -> Tensor:
    """The filters as matrix products: at these sizes many times faster than convolutions that
    take each channel by itself."""
    height, width = (resampler(n).to(x_BCHW.device) for n in x_BCHW.shape[-2:])
    return height.T @ (x_BCHW @ width)


@functools.lru_cache(maxsize=16)
def doubling(n: int) -> Tensor:
    """(n, 2n): what x (..., n) is multiplied with to have twice as many samples; ends reflect."""
    taps = torch.tensor(SYM6) * (2 / sum(SYM6))
    padded = F.pad(torch.eye(n)[:, None], [3, 3], mode="reflect")
    return F.conv_transpose1d(padded, taps.view(1, 1, -1), stride=2)[:, 0, 11 : 11 + 2 * n]


@functools.lru_cache(maxsize=16)
def halving(n: int) -> Tensor:
    """(n, n / 2): the way back, by the adjoint of the doubling; ends reflect."""
    taps = torch.tensor(SYM6) / sum(SYM6)
    padded = F.pad(torch.eye(n)[:, None], [5, 5], mode="reflect")
    return F.conv1d(padded, taps.view(1, 1, -1), stride=2)[:, 0]


def band_gains(x_BCHW: Tensor, gains_B4: Tensor) -> Tensor:
    """Four octave bands, [0, π/8], [π/8, π/4], [π/4, π/2], [π/2, π], each by its gain, the
    expected power kept (appendix B). Borders reflect."""
    power = x_BCHW.new_tensor(EXPECTED_POWER)
    gains = gains_B4 / (gains_B4.square() * power).sum(1, keepdim=True).sqrt()
    x = x_BCHW.float()
    for axis in (-1, -2):
        n = x.shape[axis]
        mirrored = torch.cat([x, x.flip(axis)], axis)  # its period has no seam
        response = _bands(2 * n, x.device)
        wave = torch.fft.rfft(mirrored, dim=axis)
        shape = [len(gains), 1, 1, 1]
        shape[axis] = response.shape[1]
        filtered = wave * (gains @ response).view(shape)
        x = torch.fft.irfft(filtered, n=2 * n, dim=axis).narrow(axis, 0, n)
    return x.to(x_BCHW.dtype)


def _bands(n: int, device: torch.device) -> Tensor:
    """Responses of the four bands at the frequencies of a transform of n: (4, n // 2 + 1); they
    sum to 1. Low-pass of an octave: |H|² of sym2, half-band and without phase."""
    omega = torch.arange(n // 2 + 1, device=device) * (2 * math.pi / n)
    taps = torch.tensor(SYM2, device=device)
    at = torch.arange(len(SYM2), device=device)

    def low(stretch: int) -> Tensor:
        phase = omega[:, None] * stretch * at
        real, imaginary = (taps * phase.cos()).sum(1), (taps * phase.sin()).sum(1)
        return (real.square() + imaginary.square()) / 2

    one, two, three = low(1), low(1) * low(2), low(1) * low(2) * low(4)
    return torch.stack([three, two - three, one - two, 1 - one])
