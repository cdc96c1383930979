"""SPADE's γ and β by table: computed once for each distinct neighbourhood, then read by index.

Equal to the two convolutions but for the order of sums. Shape suffixes: B batch, C channels, D the
hidden units of a modulation, H height, W width, K labels, M and N distinct 3×3 and 5×5
neighbourhoods.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.spade.neighbourhoods import Neighbourhoods

AT_A_TIME = 1 << 18
"""Table entries gathered at a time: a megabyte, which stays in a core's cache."""


def hidden_units(shared: nn.Conv2d, near: Neighbourhoods) -> Tensor:
    """ReLU of the first convolution (M, D); 0 where the centre lies outside the image, since that
    is what the second convolution is padded with."""
    weight_9KD = shared.weight.permute(2, 3, 1, 0).flatten(0, 1)
    weight_9KD = F.pad(weight_9KD, (0, 0, 0, 1))  # a row of zeros for the label outside
    assert shared.bias is not None
    hidden_MD = F.relu(summed(weight_9KD, near.labels_M9) + shared.bias)
    return hidden_MD * (near.labels_M9[:, 4:5] < near.labels)


def summed(table_9RC: Tensor, rows_N9: Tensor) -> Tensor:
    """Σₖ table[k, rows[n, k]] over the nine places of a 3×3 window: (N, C)."""
    first_9 = torch.arange(9, device=rows_N9.device) * table_9RC.shape[1]
    return F.embedding_bag(rows_N9 + first_9, table_9RC.flatten(0, 1), mode="sum")


def table(
    shared: nn.Conv2d, gamma_beta: nn.Conv2d, scale_C: Tensor, shift_C: Tensor, near: Neighbourhoods
) -> Tensor:
    """Factors and offsets (N, 2C) that take x to (scale · x + shift)(1 + γ) + β.

    Nine matrix products of the M hidden units, which each 5×5 neighbourhood gathers and adds.
    """
    weight_CD33, bias_C = folded(gamma_beta, scale_C, shift_C)
    weight_9DC = weight_CD33.permute(2, 3, 1, 0).flatten(0, 1).contiguous()
    parts_9MC = hidden_units(shared, near) @ weight_9DC
    parts_9MC[4] += bias_C  # once a neighbourhood: each has one centre
    return summed(parts_9MC, near.parts_N9)


def folded(gamma_beta: nn.Conv2d, scale_C: Tensor, shift_C: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (2C, D, 3, 3) and bias (2C) that give factors and offsets instead of γ and β, with a
    normalisation, scale · x + shift, folded in. scale, shift: (C,) or (1,)."""
    gamma_CD33, beta_CD33 = gamma_beta.weight.chunk(2)
    assert gamma_beta.bias is not None
    gamma_C, beta_C = gamma_beta.bias.chunk(2)
    scale_C111, shift_C111 = scale_C.view(-1, 1, 1, 1), shift_C.view(-1, 1, 1, 1)
    weight = torch.cat([gamma_CD33 * scale_C111, beta_CD33 + gamma_CD33 * shift_C111])
    return weight, torch.cat([(1 + gamma_C) * scale_C, beta_C + (1 + gamma_C) * shift_C])


def modulate(x_BCHW: Tensor, table_N2C: Tensor, index_BHW: Tensor, slope: float) -> Tensor:
    """Leaky ReLU of factor · x + offset, both read by a pixel's index; γ and β are never written
    out. slope: of the leaky ReLU; 1 does without. The result is channels-last, as x should be."""
    channels = x_BCHW.shape[1]
    x_BHWC = x_BCHW.movedim(1, -1).contiguous()
    out_BHWC = torch.empty_like(x_BHWC)
    size = max(AT_A_TIME // (2 * channels), 1)
    # Rows are read whole in float32; by halves in bfloat16, which torch does not vectorise strided.
    apart = 2 if x_BHWC.dtype == torch.bfloat16 else 1
    tables = [part.contiguous() for part in table_N2C.chunk(apart, dim=1)]
    read = [x_BHWC.new_empty(size, part.shape[1]) for part in tables]
    for x, index, out in zip(
        x_BHWC.view(-1, channels).split(size),
        index_BHW.flatten().split(size),
        out_BHWC.view(-1, channels).split(size),
        strict=True,
    ):
        here = [into[: len(x)] for into in read]
        for part, into in zip(tables, here, strict=True):
            torch.index_select(part, 0, index, out=into)
        factor, offset = here if apart == 2 else here[0].chunk(2, dim=1)
        torch.addcmul(offset, x, factor, out=out)
        if slope != 1:
            F.leaky_relu_(out, slope)
    return out_BHWC.movedim(-1, 1)
