"""The distinct 5×5 neighbourhoods of label maps, each of which has one value of SPADE's γ and β.

Slices of a brain have few: in a fetal volume 2 % of the number of pixels at full resolution, 9 % at
half. Nothing here is approximate: pixels share a row of a table only if all labels around them are
equal.

Shape suffixes: B label maps, H height, W width, N distinct 5×5 neighbourhoods, M distinct 3×3 ones
within them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

COUNTED = 1 << 20
"""Codes below this are ranked with a table of this length, which is faster than sorting."""

RARE = {"cpu": 0.6}
"""By device: tables are used if the number of distinct neighbourhoods is below this share of the
pixels, as measured on CPUs. On other devices convolutions are used."""


def one_hot(label_BHW: Tensor, labels: int) -> Tensor:
    """Encode label values (B, H, W) of any integer type as one-hot float (B, K, H, W)."""
    return F.one_hot(label_BHW.long(), labels).movedim(-1, 1).float()


def check_values(low: int, high: int, labels: int) -> None:
    """Raise ValueError for label values outside 0 … labels - 1."""
    if low < 0 or high >= labels:
        raise ValueError(f"label values {low} to {high}; allowed: 0 to {labels - 1}")


class LabelMaps:
    """Label maps and their neighbourhoods at each resolution.

    Neighbourhoods are computed at their first use, and then shared by all layers, styles and
    networks.
    """

    def __init__(self, label_BHW: Tensor, labels: int, rare: float | None = None) -> None:
        """Check and keep label maps.

        Args:
            label_BHW: Of any integer type.
            labels: K, including the background.
            rare: The share of distinct neighbourhoods from which tables are not used; by default
                that of the device (RARE).

        Raises:
            ValueError: A value is outside 0 … labels - 1.
        """
        check_values(int(label_BHW.min()), int(label_BHW.max()), labels)
        self.label_BHW, self.labels = label_BHW, labels
        self.rare = RARE.get(label_BHW.device.type, 0.0) if rare is None else rare
        self.by_downscale: dict[int, Neighbourhoods] = {}

    def one_hot(self, downscale: int) -> Tensor:
        """Return one-hot labels (B, K, H / downscale, W / downscale), in channels-last format."""
        hot_BKHW = one_hot(self.label_BHW[:, ::downscale, ::downscale], self.labels)
        return hot_BKHW.contiguous(memory_format=torch.channels_last)

    def neighbourhoods(self, downscale: int) -> "Neighbourhoods":
        """Return the neighbourhoods at 1 / downscale of the resolution."""
        if downscale not in self.by_downscale:
            label_BHW = self.label_BHW[:, ::downscale, ::downscale]
            self.by_downscale[downscale] = index_neighbourhoods(label_BHW, self.labels)
        return self.by_downscale[downscale]

    def is_recurrent(self, downscale: int) -> bool:
        """Return whether neighbourhoods recur so often that tables are faster than convolutions.

        The coarser a map, the fewer recur. So maps coarser than the first one for which tables do
        not pay need not be indexed.
        """
        if not self.rare:
            return False
        if downscale > 1 and not self.is_recurrent(downscale // 2):
            return False
        return self.neighbourhoods(downscale).share < self.rare


@dataclass(frozen=True)
class Neighbourhoods:
    """Which pixels of label maps have equal neighbourhoods.

    Attributes:
        index_BHW: Each pixel's row among the N distinct 5×5 neighbourhoods, int32.
        parts_N9: The nine 3×3 neighbourhoods in each, as rows of `labels_M9`.
        labels_M9: The labels of the M distinct 3×3 neighbourhoods, row by row. Outside the image
            the label is K, one more than the last.
        labels: K, including the background.
    """

    index_BHW: Tensor
    parts_N9: Tensor
    labels_M9: Tensor
    labels: int

    @property
    def share(self) -> float:
        """Number of distinct neighbourhoods, divided by that of pixels."""
        return len(self.parts_N9) / self.index_BHW.numel()


def index_neighbourhoods(label_BHW: Tensor, labels: int) -> Neighbourhoods:
    """Find the distinct neighbourhoods of label maps of any integer type, values 0 … labels - 1."""
    height, width = label_BHW.shape[-2:]
    padded = label_BHW.new_full((len(label_BHW), height + 4, width + 4), labels, dtype=torch.long)
    padded[:, 2:-2, 2:-2] = label_BHW
    rows, count = rank_tuples([padded[:, :, j : j + width] for j in range(5)], labels + 1)
    index_BHW, count = rank_tuples([rows[:, i : i + height] for i in range(5)], count)
    windows_BHW55 = padded.unfold(1, 5, 1).unfold(2, 5, 1)
    position_N = positions_of_ranks(index_BHW, count)  # torch.unravel_index imports for 0.5 s
    b, i, j = position_N // (height * width), position_N // width % height, position_N % width
    of_N55 = windows_BHW55[b, i, j]
    of_N933 = of_N55.unfold(1, 3, 1).unfold(2, 3, 1).reshape(-1, 9, 9)
    parts_N9, count = rank_tuples(list(of_N933.unbind(-1)), labels + 1)
    labels_M9 = of_N933.flatten(0, 1)[positions_of_ranks(parts_N9, count)]
    return Neighbourhoods(index_BHW.int(), parts_N9, labels_M9, labels)


def rank_tuples(digits: Sequence[Tensor], base: int) -> tuple[Tensor, int]:
    """Number the distinct tuples of digits.

    The digits of a tuple are written into one int64. Where it would overflow, intermediate codes
    are replaced by their ranks.

    Args:
        digits: A tensor for each position of the tuples.
        base: Number that all digits are below.

    Returns:
        The number of each tuple, and how many distinct tuples there are.
    """
    code, span = digits[0].clone(), base
    for digit in digits[1:]:
        if span * base >= 1 << 63:
            code, span = rank_codes(code, span)
        code.mul_(base).add_(digit)
        span *= base
    return rank_codes(code, span)


def rank_codes(code: Tensor, span: int) -> tuple[Tensor, int]:
    """Replace codes in 0 … span - 1 by their ranks among the codes that occur.

    Returns:
        The ranks, and how many codes occur.
    """
    if span <= COUNTED:
        occurs = torch.zeros(span, dtype=torch.long, device=code.device)
        occurs[code.flatten()] = 1
        ranks = occurs.cumsum(0)
        count = int(ranks[-1])
        return ranks.sub_(1)[code], count
    # Neighbours along a row are mostly equal, so few codes remain to be sorted.
    runs, run = torch.unique_consecutive(code, return_inverse=True)
    distinct, rank = torch.unique(runs, return_inverse=True)
    return rank[run], len(distinct)


def positions_of_ranks(rank: Tensor, count: int) -> Tensor:
    """Return, for each rank, the flat index of one element that has it."""
    positions = torch.empty(count, dtype=torch.long, device=rank.device)
    positions[rank.flatten()] = torch.arange(rank.numel(), device=rank.device)
    return positions
