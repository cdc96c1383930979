"""A kernel for GPUs, written in Triton, that modulates each pixel as SPADE does, in one pass.

Shape suffixes: B batch, C channels, H height, W width, R rows of factors and offsets.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

ELEMENTS = 2048
"""Number of values that one program of the kernel writes."""


@triton.jit  # type: ignore[untyped-decorator]
def kernel(  # type: ignore[no-untyped-def]  # noqa: PLR0913
    x, rows, index, out, pixels, slope,
    C: tl.constexpr, WIDE: tl.constexpr, AT_A_TIME: tl.constexpr, INDEXED: tl.constexpr,
):  # fmt: skip
    """Write the leaky ReLU of factor · x + offset for AT_A_TIME pixels.

    The many arguments are those of `modulate`, as pointers and compile-time constants.

    Args:
        x: Pointer to the features, channels last.
        rows: Pointer to rows of C factors and C offsets.
        index: Pointer to each pixel's row; not read unless INDEXED.
        out: Pointer to the result, of x's shape.
        pixels: Number of pixels.
        slope: Slope of the leaky ReLU.
        C: Number of channels.
        WIDE: C, or the next power of two.
        AT_A_TIME: Number of pixels of one program.
        INDEXED: Whether pixels read their rows by index; otherwise row i is pixel i's.
    """
    pixel = (tl.program_id(0) * AT_A_TIME + tl.arange(0, AT_A_TIME)).to(tl.int64)
    channel = tl.arange(0, WIDE)
    real = (pixel < pixels)[:, None] & (channel < C)[None, :]
    row = pixel
    if INDEXED:
        row = tl.load(index + pixel, mask=pixel < pixels, other=0).to(tl.int64)
    place = rows + row[:, None] * (2 * C) + channel[None, :]
    factor = tl.load(place, mask=real, other=0).to(tl.float32)
    offset = tl.load(place + C, mask=real, other=0).to(tl.float32)
    at = pixel[:, None] * C + channel[None, :]
    value = tl.load(x + at, mask=real, other=0).to(tl.float32) * factor + offset
    value = tl.where(value >= 0, value, value * slope)
    tl.store(out + at, value.to(out.dtype.element_ty), mask=real)


def modulate(x_BCHW: Tensor, rows_R2C: Tensor, index_BHW: Tensor | None, slope: float) -> Tensor:
    """Return the leaky ReLU of factor · x + offset, as factory.models.spade.modulation.modulate.

    It is computed in float32; the result has the type of x.

    Args:
        x_BCHW: Features.
        rows_R2C: Factors and offsets.
        index_BHW: Each pixel's row; None if there is a row for each pixel, (B · H · W, 2C).
        slope: Slope of the leaky ReLU; 1 leaves it out.
    """
    x_BHWC = x_BCHW.movedim(1, -1).contiguous()
    out_BHWC = torch.empty_like(x_BHWC)
    channels = x_BHWC.shape[-1]
    pixels, wide = x_BHWC.numel() // channels, triton.next_power_of_2(channels)
    at_a_time = max(ELEMENTS // wide, 1)
    index = rows_R2C if index_BHW is None else index_BHW.contiguous()
    kernel[(triton.cdiv(pixels, at_a_time),)](
        x_BHWC, rows_R2C.contiguous(), index, out_BHWC, pixels, slope,
        C=channels, WIDE=wide, AT_A_TIME=at_a_time, INDEXED=index_BHW is not None,
    )  # fmt: skip
    return out_BHWC.movedim(-1, 1)
