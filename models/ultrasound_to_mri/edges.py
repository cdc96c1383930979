"""EdgeNet: four frozen 3×3 convolutions that turn an image into its edges (Jiao et al., 2.1).

The paper gives no weights; here they are fixed: smoothing, derivatives (Sobel) in four directions,
smoothing of each, and their smoothed sum. ReLU between the layers makes a rise and a fall of one
height the same edge.

Shape suffixes: B batch, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMOOTH = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
ACROSS = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([-1.0, 0.0, 1.0])) / 4
"""Of a step of height h, Sobel's kernel makes an edge of height h, two pixels wide."""


class EdgeNet(nn.Module):
    """Images (B, 1, H, W) to edges (B, 1, H, W), 0 where the image is flat. Nothing is learnt.

    Beyond the border the image goes on as it ends, so that the border is no edge.
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
        x = convolved(image_B1HW, self.smooth)
        x = F.relu(convolved(x, self.derive))
        x = F.relu(convolved(x, self.smooth_each, groups=4))
        return F.relu(convolved(x, self.gather))


def convolved(x_BCHW: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
    return F.conv2d(F.pad(x_BCHW, (1, 1, 1, 1), "replicate"), kernel, groups=groups)
