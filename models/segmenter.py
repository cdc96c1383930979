"""A small 2D U-Net that labels the tissue of every pixel (Ronneberger et al. 2015).

Slices of all directions share its weights; a volume is segmented by the mean over the directions.
The first scale folds 2×2 pixels into channels and the last unfolds them (Shi et al. 2016), so that
no convolution runs at full size, where a plain U-Net spends most of its time.

Shape suffixes: B batch, K labels, C channels, I channels of images, H height, W width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.normalisation import BatchNorm, sum_over_workers

SCALES = 4
"""Number of resolutions: half, quarter, eighth and sixteenth of the image's."""

STRIDE = 2**SCALES
"""Sides of a slice must be multiples of this."""


@dataclass(frozen=True)
class SegmenterConfig:
    """What the network is made of.

    Attributes:
        labels: K, including the background.
        width: Channels at half the resolution; doubled at each of the next two scales.
        channels: Channels of the images.
    """

    labels: int
    width: int = 16
    channels: int = 1


def convolution_block(inputs: int, outputs: int) -> nn.Sequential:
    """Build a 3×3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), BatchNorm(outputs), nn.ReLU())


class Segmenter(nn.Module):
    """The U-Net: images (B, I, H, W) to logits of labels (B, K, H, W)."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * n for n in (1, 2, 4, 4)]
        inputs = [4 * config.channels, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(convolution_block(i, o), convolution_block(o, o))
            for i, o in zip(inputs, widths, strict=True)
        )
        self.up = nn.ModuleList(
            convolution_block(below + side, side)
            for below, side in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.to_logits = nn.Conv2d(config.width, 4 * config.labels, 3, padding=1)

    def forward(self, image_BIHW: Tensor) -> Tensor:
        """Return logits (B, K, H, W) of images in [-1, 1] whose sides are multiples of STRIDE."""
        sides = self.scales(image_BIHW)
        x = sides[-1]
        for stage, side in zip(self.up, sides[-2::-1], strict=True):
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0), side], 1))
        return F.pixel_shuffle(self.to_logits(x), 2)

    def scales(self, image_BIHW: Tensor) -> list[Tensor]:
        """Return the encoder's features at each scale, the finest first."""
        x = F.pixel_unshuffle(image_BIHW, 2)
        sides: list[Tensor] = []
        for stage in self.down:
            x = stage(F.max_pool2d(x, 2) if sides else x)
            sides.append(x)
        return sides

    def pooled(self, image_BIHW: Tensor) -> Tensor:
        """Return features (B, 11 × width) by which sets of images are compared.

        They are the encoder's features at each scale, averaged over space.
        """
        return torch.cat([side.mean((2, 3)) for side in self.scales(image_BIHW)], dim=1)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw normal weights (He et al. 2015) from a generator; biases are 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def dice_loss(logits_BKHW: Tensor, label_BHW: Tensor, smooth: float = 1.0) -> Tensor:
    """Return 1 − the mean soft Dice of the structures over the batch of all workers.

    Milletari et al. 2016, with plain sums in place of sums of squares in the denominator.

    Args:
        logits_BKHW: Logits of the labels.
        label_BHW: True labels.
        smooth: Added to numerator and denominator, in pixels, for structures that are absent from
            the batch.
    """
    K = logits_BKHW.shape[1]
    predicted_BKHW = logits_BKHW.softmax(1)
    true_BKHW = F.one_hot(label_BHW.long(), K).permute(0, 3, 1, 2).to(predicted_BKHW)
    overlap_K = (predicted_BKHW * true_BKHW).sum((0, 2, 3))
    size_K = (predicted_BKHW + true_BKHW).sum((0, 2, 3))
    overlap_K, size_K = sum_over_workers(torch.stack([overlap_K, size_K]))[:, 1:]
    loss: Tensor = 1 - ((2 * overlap_K + smooth) / (size_K + smooth)).mean()
    return loss
