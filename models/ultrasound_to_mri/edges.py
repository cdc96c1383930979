"""EdgeNet: four frozen 3×3 convolutions that detect the edges of an image (Jiao et al., 2.1).

The paper gives no weights. Ours are fixed: smoothing, derivatives (Sobel) in four directions,
smoothing of each, and their smoothed sum. Because of the ReLU between the layers, a rise and a fall
of the same height give the same edge.

Shape suffixes: B batch, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMOOTH = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
ACROSS = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([-1.0, 0.0, 1.0])) / 4
"""Sobel's kernel; a step of height h gives an edge of height h, two pixels wide."""


class EdgeNet(nn.Module):
    """Maps images (B, 1, H, W) to edges (B, 1, H, W), which are 0 where the image is flat.

    No weight is trained. The image is padded with its border values, so that the border is no edge.
    """

    smooth: Tensor
    derive: Tensor
    smooth_each: Tensor
    gather: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("smooth", SMOOTH[None, None])
        directions = [ACROSS, -ACROSS, ACROSS.T, -ACROSS.T]
        self.register_buffer("derive", torch.stack(directions)[:, None])
        self.register_buffer("smooth_each", SMOOTH.expand(4, 1, 3, 3).contiguous())
        self.register_buffer("gather", SMOOTH.expand(1, 4, 3, 3).contiguous())

    def forward(self, image_B1HW: Tensor) -> Tensor:
        """Return the edges (B, 1, H, W)."""
        x = convolve(image_B1HW, self.smooth)
        x = F.relu(convolve(x, self.derive))
        x = F.relu(convolve(x, self.smooth_each, groups=4))
        return F.relu(convolve(x, self.gather))


def convolve(x_BCHW: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
    """Convolve with a 3×3 kernel, after padding with the border values."""
    return F.conv2d(F.pad(x_BCHW, (1, 1, 1, 1), "replicate"), kernel, groups=groups)
