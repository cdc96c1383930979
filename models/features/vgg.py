"""VGG16 features from the convolutions in the PyPI package stlpips_pytorch.

They were trained with blurred pooling (a maximum over 2×2 with stride 1, then [1, 2, 1] with stride
2: Zhang 2019) and without fully connected layers. So figures computed with them are not comparable
with those of torchvision's VGG16. Only the weights are read; the package's modules are not
imported.

Shape suffixes: B batch, C channels, H height, W width. Images are grey, in [-1, 1].
"""

import importlib.util
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.checkpoint import WeightsError

STAGES = ((1, (0, 2)), (2, (6, 8)), (3, (12, 14, 16)), (4, (20, 22, 24)), (5, (28, 30, 32)))
"""Stages, each with the numbers of its convolutions in the package's file."""

LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of relu1_1 to relu5_1 in the perceptual loss (Park et al. 2019)."""


def weights_file() -> Path:
    """Return the package's weight file.

    Raises:
        WeightsError: The package is not installed.
    """
    spec = importlib.util.find_spec("stlpips_pytorch")
    if spec is None or spec.origin is None:
        raise WeightsError("no pretrained features: pip install --no-deps stlpips_pytorch==0.0.2")
    return Path(spec.origin).parent / "weights" / "vST0.0" / "vgg_shift_tolerant.pth"


class VggFeatures(nn.Module):
    """The convolutions of VGG16, with frozen weights."""

    shift: Tensor
    scale: Tensor
    blur: Tensor

    def __init__(self, file: Path) -> None:
        super().__init__()
        state = torch.load(file, map_location="cpu", weights_only=True)
        self.stages = nn.ModuleList()
        for stage, numbers in STAGES:
            convolutions = nn.ModuleList()
            for number in numbers:
                weight = state[f"net.slice{stage}.{number}.weight"]
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
                bias = state[f"net.slice{stage}.{number}.bias"]
                layer.load_state_dict({"weight": weight, "bias": bias})
                convolutions.append(layer)
            self.stages.append(convolutions)
        self.register_buffer("shift", state["scaling_layer.shift"])
        self.register_buffer("scale", state["scaling_layer.scale"])
        line = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("blur", (line[:, None] * line / 16)[None, None])
        self.requires_grad_(False)

    def forward(self, image_B1HW: Tensor) -> list[Tensor]:
        """Return the first activation of each of the five stages, (B, 64…512, H/2ⁿ, W/2ⁿ)."""
        x = (image_B1HW.expand(-1, 3, -1, -1) - self.shift) / self.scale
        features = []
        convolutions: Any  # torch types the items of a ModuleList as modules that do not iterate
        for stage, convolutions in enumerate(self.stages):
            if stage:
                x = self.pool(x)
            for index, convolution in enumerate(convolutions):
                x = F.relu(convolution(x))
                if index == 0:
                    features.append(x)
        return features

    def pooled(self, image_B1HW: Tensor) -> Tensor:
        """Return features (B, 512), by which sets of images are compared.

        They are the last activation, with its channels scaled to unit length at each pixel as in
        LPIPS (Zhang et al. 2018, eq. 1), averaged over pixels and multiplied by √512, so that KID's
        x·y / d lies in [0, 1].
        """
        x = (image_B1HW.expand(-1, 3, -1, -1) - self.shift) / self.scale
        convolutions: Any
        for stage, convolutions in enumerate(self.stages):
            x = self.pool(x) if stage else x
            for convolution in convolutions:
                x = F.relu(convolution(x))
        return F.normalize(x, dim=1).mean((2, 3)) * math.sqrt(x.shape[1])

    def pool(self, x: Tensor) -> Tensor:
        """Halve the size by blurred maximum pooling."""
        channels = x.shape[1]
        x = F.pad(F.max_pool2d(x, 2, stride=1), (2, 2, 2, 2), mode="replicate")
        return F.conv2d(x, self.blur.expand(channels, 1, 3, 3), stride=2, groups=channels)


def perceptual(features: VggFeatures, fake_B1HW: Tensor, real_B1HW: Tensor) -> Tensor:
    """Return the weighted L1 between features of fake and real images; no gradient reaches real."""
    with torch.no_grad():
        of_real = features(real_B1HW)
    terms = [
        weight * F.l1_loss(f, r)
        for weight, f, r in zip(LAYER_WEIGHTS, features(fake_B1HW), of_real, strict=True)
    ]
    return sum(terms[1:], terms[0])
