"""Warps and filters whose gradients can be differentiated again, which R1 needs.

Shape suffixes: B batch, C channels, H, W pixels.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip

"""The scaling filter of the wavelet sym6 (Daubechies 1988): minimal aliasing for its length."""

SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
"""The scaling filter of sym2, from which the four bands are made."""

EXPECTED_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""Power of natural images by band (appendix B), by which gains are scaled to keep the total."""


class _Sample(torch.autograd.Function):
    """Samples an image bilinearly; borders reflect.

    It is linear in the image: its derivative is its adjoint, whose derivative is itself. torch's
    own function can be differentiated only once.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:  # torch's context has no type
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
        spread: Tensor
        spread, _ = torch.ops.aten.grid_sampler_2d_backward(
            gradient.contiguous(), like, grid, 0, 2, False, [True, False]
        )
        return spread

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _Sample.apply(gradient, grid), None, None


def warp(x_BCHW: Tensor, matrix_B33: Tensor) -> Tensor:
    """Sample each image at matrix · (x, y, 1), in half sides from the centre; borders reflect.

    To avoid aliasing, images are sampled at twice their resolution, between low-passes of sym6
    (appendix B). Shifts by whole pixels, mirrors and quarter turns return the pixels unchanged.
    """
    x = x_BCHW.float()
    height, width = x.shape[-2:]
    exact = _keeps_pixels(matrix_B33, height, width)
    warped = torch.empty_like(x)
    for selected, fine in ((exact, False), (~exact, True)):
        if not bool(selected.any()):
            continue
        images, matrix = x[selected], matrix_B33[selected]
        source = _double(images) if fine else images
        size = [len(images), 1, height * (2 if fine else 1), width * (2 if fine else 1)]
        grid = F.affine_grid(matrix[:, :2].float(), size, align_corners=False)
        sampled = _Sample.apply(source, grid)
        rows = torch.nonzero(selected)[:, 0]
        warped = warped.index_copy(0, rows, _halve(sampled) if fine else sampled)
    return warped.to(x_BCHW.dtype)


def _keeps_pixels(matrix_B33: Tensor, height: int, width: int) -> Tensor:
    """Return whether each pixel centre is sampled from a pixel centre, bool (B,)."""
    linear, moves = matrix_B33[:, :2, :2], matrix_B33[:, :2, 2]
    turned = torch.isclose(linear, linear.round(), atol=1e-4).flatten(1).all(1)
    turned &= torch.isclose(linear.det().abs(), linear.new_ones(()), atol=1e-4)
    pixels = moves * moves.new_tensor([width, height]) / 2
    return turned & torch.isclose(pixels, pixels.round(), atol=1e-3).all(1)


def _double(x_BCHW: Tensor) -> Tensor:
    """Double the resolution; image borders stay in place."""
    return _resample(x_BCHW, doubling_matrix)


def _halve(x_BCHW: Tensor) -> Tensor:
    """Halve the resolution; image borders stay in place."""
    return _resample(x_BCHW, halving_matrix)


def _resample(x_BCHW: Tensor, matrix_of: Callable[[int], Tensor]) -> Tensor:
    """Resample both axes by matrix products, which are much faster here than depthwise filters."""
    height, width = (matrix_of(n).to(x_BCHW.device) for n in x_BCHW.shape[-2:])
    return height.T @ (x_BCHW @ width)


@functools.lru_cache(maxsize=16)
def doubling_matrix(n: int) -> Tensor:
    """Return the matrix (n, 2n) by which x (..., n) is doubled in resolution; ends reflect."""
    taps = torch.tensor(SYM6) * (2 / sum(SYM6))
    padded = F.pad(torch.eye(n)[:, None], [3, 3], mode="reflect")
    return F.conv_transpose1d(padded, taps.view(1, 1, -1), stride=2)[:, 0, 11 : 11 + 2 * n]


@functools.lru_cache(maxsize=16)
def halving_matrix(n: int) -> Tensor:
    """Return the matrix (n, n / 2) by which x (..., n) is halved in resolution; ends reflect."""
    taps = torch.tensor(SYM6) / sum(SYM6)
    padded = F.pad(torch.eye(n)[:, None], [5, 5], mode="reflect")
    return F.conv1d(padded, taps.view(1, 1, -1), stride=2)[:, 0]


def band_gains(x_BCHW: Tensor, gains_B4: Tensor) -> Tensor:
    """Multiply four octave bands, [0, π/8], [π/8, π/4], [π/4, π/2] and [π/2, π], by gains.

    The expected power of the image stays the same (appendix B). Borders reflect.

    Args:
        x_BCHW: Images.
        gains_B4: Gains of the bands.
    """
    power = x_BCHW.new_tensor(EXPECTED_POWER)
    gains = gains_B4 / (gains_B4.square() * power).sum(1, keepdim=True).sqrt()
    x = x_BCHW.float()
    for axis in (-1, -2):
        n = x.shape[axis]
        mirrored = torch.cat([x, x.flip(axis)], axis)  # periodic without a seam
        response = _band_responses(2 * n, x.device)
        wave = torch.fft.rfft(mirrored, dim=axis)
        shape = [len(gains), 1, 1, 1]
        shape[axis] = response.shape[1]
        filtered = wave * (gains @ response).view(shape)
        x = torch.fft.irfft(filtered, n=2 * n, dim=axis).narrow(axis, 0, n)
    return x.to(x_BCHW.dtype)


def _band_responses(n: int, device: torch.device) -> Tensor:
    """Return the responses (4, n // 2 + 1) of the bands at the frequencies of a transform of n.

    They add to 1. The low-pass of an octave is |H|² of sym2, a half-band filter without phase.
    """
    omega = torch.arange(n // 2 + 1, device=device) * (2 * math.pi / n)
    taps = torch.tensor(SYM2, device=device)
    at = torch.arange(len(SYM2), device=device)

    def low(stretch: int) -> Tensor:
        phase = omega[:, None] * stretch * at
        real, imaginary = (taps * phase.cos()).sum(1), (taps * phase.sin()).sum(1)
        return (real.square() + imaginary.square()) / 2

    one, two, three = low(1), low(1) * low(2), low(1) * low(2) * low(4)
    return torch.stack([three, two - three, one - two, 1 - one])
