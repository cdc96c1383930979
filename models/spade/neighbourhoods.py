"""The distinct 5×5 neighbourhoods of label maps: SPADE's γ and β take one value in each.

A brain's slices have few: in a whole fetal volume 2 % of the pixels at full resolution, 9 % at
half. Nothing here is approximate: neighbourhoods share a row where all their labels are equal.

Shape suffixes: B label maps, H height, W width, N distinct 5×5 neighbourhoods, M distinct 3×3 ones
within them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

COUNTED = 1 << 20
"""Codes below this are ranked by counting, which a table so long makes faster than sorting."""

RARE = {"cpu": 0.6}
"""Tables pay where less than this share of a resolution's pixels have surroundings of their own, as
measured on CPUs. Where nothing was measured, convolutions stay."""


def one_hot(label_BHW: Tensor, labels: int) -> Tensor:
    """Label values (B, H, W) of any integer type to float one-hot (B, K, H, W)."""
    return F.one_hot(label_BHW.long(), labels).movedim(-1, 1).float()


def check_values(low: int, high: int, labels: int) -> None:
    """Raises ValueError for label values outside 0 … labels - 1."""
    if low < 0 or high >= labels:
        raise ValueError(f"label values {low} to {high}; allowed: 0 to {labels - 1}")


class LabelMaps:
    """Label maps (B, H, W) of any integer type, and their neighbourhoods at each resolution: made
    when first asked for, then shared by all layers, styles and networks.

    rare: which share of distinct neighbourhoods is too large for tables; left out, as measured for
    the device (RARE). Raises ValueError for values outside 0 … labels - 1.
    """

    def __init__(self, label_BHW: Tensor, labels: int, rare: float | None = None) -> None:
        check_values(int(label_BHW.min()), int(label_BHW.max()), labels)
        self.label_BHW, self.labels = label_BHW, labels
        self.rare = RARE.get(label_BHW.device.type, 0.0) if rare is None else rare
        self.found: dict[int, Neighbourhoods] = {}

    def one_hot(self, downscale: int) -> Tensor:
        """(B, K, H / downscale, W / downscale), channels-last, which convolves fastest."""
        hot_BKHW = one_hot(self.label_BHW[:, ::downscale, ::downscale], self.labels)
        return hot_BKHW.contiguous(memory_format=torch.channels_last)

    def neighbourhoods(self, downscale: int) -> "Neighbourhoods":
        if downscale not in self.found:
            label_BHW = self.label_BHW[:, ::downscale, ::downscale]
            self.found[downscale] = neighbourhoods(label_BHW, self.labels)
        return self.found[downscale]

    def recurrent(self, downscale: int) -> bool:
        """Whether neighbourhoods recur so often that tables are faster than convolutions.

        The coarser a map, the less recurs, so that none is indexed in vain below the first that
        does not pay.
        """
        if not self.rare:
            return False
        if downscale > 1 and not self.recurrent(downscale // 2):
            return False
        return self.neighbourhoods(downscale).share < self.rare


@dataclass(frozen=True)
class Neighbourhoods:
    """Which pixels of some label maps have equal surroundings.

    index_BHW: a pixel's row among the N distinct 5×5 neighbourhoods, int32. parts_N9: the rows of
    the nine 3×3 ones within each, among M. labels_M9: what those hold, in reading order; outside
    the image the label is K, one more than the last. labels: K.
    """

    index_BHW: Tensor
    parts_N9: Tensor
    labels_M9: Tensor
    labels: int

    @property
    def share(self) -> float:
        """Distinct neighbourhoods a pixel."""
        return len(self.parts_N9) / self.index_BHW.numel()


def neighbourhoods(label_BHW: Tensor, labels: int) -> Neighbourhoods:
    """Index label maps of any integer type (B, H, W), values 0 … labels - 1."""
    height, width = label_BHW.shape[-2:]
    padded = label_BHW.new_full((len(label_BHW), height + 4, width + 4), labels, dtype=torch.long)
    padded[:, 2:-2, 2:-2] = label_BHW
    rows, count = joined([padded[:, :, j : j + width] for j in range(5)], labels + 1)
    index_BHW, count = joined([rows[:, i : i + height] for i in range(5)], count)
    windows_BHW55 = padded.unfold(1, 5, 1).unfold(2, 5, 1)
    place_N = places(index_BHW, count)  # torch.unravel_index would import for half a second
    b, i, j = place_N // (height * width), place_N // width % height, place_N % width
    of_N55 = windows_BHW55[b, i, j]
    of_N933 = of_N55.unfold(1, 3, 1).unfold(2, 3, 1).reshape(-1, 9, 9)
    parts_N9, count = joined(list(of_N933.unbind(-1)), labels + 1)
    labels_M9 = of_N933.flatten(0, 1)[places(parts_N9, count)]
    return Neighbourhoods(index_BHW.int(), parts_N9, labels_M9, labels)


def joined(parts: Sequence[Tensor], base: int) -> tuple[Tensor, int]:
    """Tuples of numbers below base, one tensor a place, to their ranks, and how many there are.

    They are written as digits of one int64, ranked in between where it would overflow.
    """
    code, span = parts[0].clone(), base
    for part in parts[1:]:
        if span * base >= 1 << 63:
            code, span = ranked(code, span)
        code.mul_(base).add_(part)
        span *= base
    return ranked(code, span)


def ranked(code: Tensor, span: int) -> tuple[Tensor, int]:
    """Codes in 0 … span - 1 to their ranks among those that occur, and how many do."""
    if span <= COUNTED:
        seen = torch.zeros(span, dtype=torch.long, device=code.device)
        seen[code.flatten()] = 1
        ranks = seen.cumsum(0)
        count = int(ranks[-1])
        return ranks.sub_(1)[code], count
    # Neighbours along a row are mostly equal, so that few are left to sort.
    runs, run = torch.unique_consecutive(code, return_inverse=True)
    distinct, rank = torch.unique(runs, return_inverse=True)
    return rank[run], len(distinct)


def places(rank: Tensor, count: int) -> Tensor:
    """For each rank, a flat index at which it stands."""
    found = torch.empty(count, dtype=torch.long, device=rank.device)
    found[rank.flatten()] = torch.arange(rank.numel(), device=rank.device)
    return found
