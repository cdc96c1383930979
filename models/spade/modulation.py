"""SPADE's γ and β by table: computed once for each distinct neighbourhood, then read by index.

The results equal those of the two convolutions but for the order of sums.

Shape suffixes: B batch, C channels, D the hidden units of a modulation, H height, W width, K
labels, M and N distinct 3×3 and 5×5 neighbourhoods.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.spade.neighbourhoods import Neighbourhoods

AT_A_TIME = 1 << 18
"""Table entries that are gathered at a time: a megabyte, which fits into a core's cache."""


def hidden_units(shared: nn.Conv2d, near: Neighbourhoods) -> Tensor:
    """Return the ReLU of the first convolution for each distinct 3×3 neighbourhood, (M, D).

    It is 0 if the centre lies outside the image, since the second convolution is padded with 0.

    Args:
        shared: The first convolution.
        near: The neighbourhoods.
    """
    weight_9KD = shared.weight.permute(2, 3, 1, 0).flatten(0, 1)
    weight_9KD = F.pad(weight_9KD, (0, 0, 0, 1))  # a row of zeros for the label outside
    assert shared.bias is not None
    hidden_MD = F.relu(sum_rows(weight_9KD, near.labels_M9) + shared.bias)
    inside_M1 = near.labels_M9[:, 4:5] < near.labels
    return hidden_MD * inside_M1


def sum_rows(table_9RC: Tensor, rows_N9: Tensor) -> Tensor:
    """Return Σₖ table[k, rows[n, k]] over the nine positions of a 3×3 window, (N, C)."""
    first_9 = torch.arange(9, device=rows_N9.device) * table_9RC.shape[1]
    return F.embedding_bag(rows_N9 + first_9, table_9RC.flatten(0, 1), mode="sum")


def modulation_table(
    shared: nn.Conv2d, gamma_beta: nn.Conv2d, scale_C: Tensor, shift_C: Tensor, near: Neighbourhoods
) -> Tensor:
    """Return factors and offsets (N, 2C) by which x becomes (scale · x + shift)(1 + γ) + β.

    The hidden units of the M 3×3 neighbourhoods are multiplied by nine matrices; each 5×5
    neighbourhood gathers its nine products and adds them.

    Args:
        shared: The first convolution of the modulation.
        gamma_beta: The second one, which returns γ and β.
        scale_C: Scale of the normalisation, (C,) or (1,).
        shift_C: Shift of the normalisation, (C,) or (1,).
        near: The neighbourhoods.
    """
    weight_CD33, bias_C = fold_normalisation(gamma_beta, scale_C, shift_C)
    weight_9DC = weight_CD33.permute(2, 3, 1, 0).flatten(0, 1).contiguous()
    parts_9MC = hidden_units(shared, near) @ weight_9DC
    parts_9MC[4] += bias_C  # once for each neighbourhood: it has one centre
    return sum_rows(parts_9MC, near.parts_N9)


def fold_normalisation(
    gamma_beta: nn.Conv2d, scale_C: Tensor, shift_C: Tensor
) -> tuple[Tensor, Tensor]:
    """Fold a normalisation, scale · x + shift, into the convolution that returns γ and β.

    Args:
        gamma_beta: The convolution.
        scale_C: (C,) or (1,).
        shift_C: (C,) or (1,).

    Returns:
        Weight (2C, D, 3, 3) and bias (2C) of a convolution that returns factors and offsets.
    """
    gamma_CD33, beta_CD33 = gamma_beta.weight.chunk(2)
    assert gamma_beta.bias is not None
    gamma_C, beta_C = gamma_beta.bias.chunk(2)
    scale_C111, shift_C111 = scale_C.view(-1, 1, 1, 1), shift_C.view(-1, 1, 1, 1)
    weight = torch.cat([gamma_CD33 * scale_C111, beta_CD33 + gamma_CD33 * shift_C111])
    return weight, torch.cat([(1 + gamma_C) * scale_C, beta_C + (1 + gamma_C) * shift_C])


def modulate(x_BCHW: Tensor, table_N2C: Tensor, index_BHW: Tensor, slope: float) -> Tensor:
    """Return the leaky ReLU of factor · x + offset, which each pixel reads from a table.

    Images of γ and β are never made.

    Args:
        x_BCHW: Best in channels-last memory format, which the result has.
        table_N2C: Factors and offsets.
        index_BHW: Each pixel's row in the table.
        slope: Slope of the leaky ReLU; 1 leaves it out.
    """
    channels = x_BCHW.shape[1]
    x_BHWC = x_BCHW.movedim(1, -1).contiguous()
    out_BHWC = torch.empty_like(x_BHWC)
    size = max(AT_A_TIME // (2 * channels), 1)
    # In bfloat16 factors and offsets are gathered apart: torch does not vectorise strided ones.
    pieces = 2 if x_BHWC.dtype == torch.bfloat16 else 1
    tables = [piece.contiguous() for piece in table_N2C.chunk(pieces, dim=1)]
    buffers = [x_BHWC.new_empty(size, piece.shape[1]) for piece in tables]
    for x, index, out in zip(
        x_BHWC.view(-1, channels).split(size),
        index_BHW.flatten().split(size),
        out_BHWC.view(-1, channels).split(size),
        strict=True,
    ):
        rows = [buffer[: len(x)] for buffer in buffers]
        for piece, target in zip(tables, rows, strict=True):
            torch.index_select(piece, 0, index, out=target)
        factor, offset = rows if pieces == 2 else rows[0].chunk(2, dim=1)
        torch.addcmul(offset, x, factor, out=out)
        if slope != 1:
            F.leaky_relu_(out, slope)
    return out_BHWC.movedim(-1, 1)
