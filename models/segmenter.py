"""A small 2D U-Net that names the tissue of every pixel (Ronneberger et al. 2015).

Slices of every direction share its weights; a volume is segmented by the mean of its directions.
The first scale folds 2×2 pixels into channels and the last unfolds them (Shi et al. 2016), so that
no convolution runs at full size, where a plain U-Net spends most of its time.

Shape suffixes: B batch, K labels, C channels, H height, W width.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.normalisation import BatchNorm, SumOverWorkers

SCALES = 4
"""Half, quarter, eighth and sixteenth of the size."""

STRIDE = 2**SCALES
"""Sides of a slice are multiples of it."""


@dataclass(frozen=True)
class SegmenterConfig:
    """labels: K, background included. width: channels at half size, doubled twice below it."""

    labels: int
    width: int = 16


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), BatchNorm(outputs), nn.ReLU())


class Segmenter(nn.Module):
    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * n for n in (1, 2, 4, 4)]
        inputs = [4, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(block(i, o), block(o, o)) for i, o in zip(inputs, widths, strict=True)
        )
        self.up = nn.ModuleList(
            block(below + side, side)
            for below, side in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.to_logits = nn.Conv2d(config.width, 4 * config.labels, 3, padding=1)

    def forward(self, image_B1HW: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images in [-1, 1] whose sides are multiples of STRIDE."""
        sides = self.scales(image_B1HW)
        x = sides[-1]
        for stage, side in zip(self.up, sides[-2::-1], strict=True):
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0), side], 1))
        return F.pixel_shuffle(self.to_logits(x), 2)

    def scales(self, image_B1HW: Tensor) -> list[Tensor]:
        """What the way down makes at each of SCALES."""
        x = F.pixel_unshuffle(image_B1HW, 2)
        sides: list[Tensor] = []
        for stage in self.down:
            x = stage(F.max_pool2d(x, 2) if sides else x)
            sides.append(x)
        return sides

    def pooled(self, image_B1HW: Tensor) -> Tensor:
        """Features (B, 11 × width) by which sets of images are compared: each scale's activations,
        averaged over space."""
        return torch.cat([side.mean((2, 3)) for side in self.scales(image_B1HW)], dim=1)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """He's initialisation (He et al. 2015) drawn from a generator; biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def dice_loss(logits_BKHW: Tensor, label_BHW: Tensor, smooth: float = 1.0) -> Tensor:
    """1 − the mean soft Dice of the structures over the batch of all workers (Milletari et al.
    2016, with one product in place of a square). smooth, in pixels, is for structures that are
    nowhere in the batch."""
    K = logits_BKHW.shape[1]
    share_BKHW = logits_BKHW.softmax(1)
    true_BKHW = F.one_hot(label_BHW.long(), K).permute(0, 3, 1, 2).to(share_BKHW)
    sums = torch.stack(
        [(share_BKHW * true_BKHW).sum((0, 2, 3)), (share_BKHW + true_BKHW).sum((0, 2, 3))]
    )
    if dist.is_initialized() and dist.get_world_size() > 1:
        summed: Any = SumOverWorkers.apply(sums)
        sums = summed
    both, either = sums[:, 1:]
    return 1 - ((2 * both + smooth) / (either + smooth)).mean()
