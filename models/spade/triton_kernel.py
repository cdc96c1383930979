"""What SPADE does to a pixel, in one pass over it: a kernel for GPUs, written in Triton.

Shape suffixes: B batch, C channels, H height, W width, R rows of factors and offsets.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

ELEMENTS = 2048
"""Values that one program of the kernel writes."""


@triton.jit
def kernel(  # type: ignore[no-untyped-def]
    x, rows, index, out, pixels, slope,
    C: tl.constexpr, WIDE: tl.constexpr, AT_A_TIME: tl.constexpr, INDEXED: tl.constexpr,
):  # fmt: skip
    """Arguments are pointers but for pixels, slope and the constants. WIDE: C, or the next power
    of two. Without an index a pixel's row is its own."""
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
    """Leaky ReLU of factor · x + offset, as factory.models.spade.modulation.modulate.

    rows: what a pixel's index reads; without an index one a pixel (B · H · W, 2C). Computed in
    float32 whatever the types of x, which is the result's, and of rows.
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
