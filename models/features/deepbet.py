"""Features of MR slices from the encoder of deepbet, a network that extracts brains from T1w MRI.

Fisch et al. 2024; MIT licence. The PyPI package `deepbet` contains the weights.

Only the weights are read; the package's modules are not imported. The network is 3D: its input is a
slab of copies of a slice, so that the features do not depend on the slicing direction.

Shape suffixes: B batch, C channels, D depth, H height, W width. Images are grey, in [-1, 1].
"""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.checkpoint import WeightsError

WIDTHS = (16, 16, 32, 64, 128)
"""Channels of the first convolution and of the four stages after it."""

FEATURES = sum(WIDTHS[1:])
"""Number of features."""

DEPTH = 16
"""Copies of a slice in its slab: more of them add cost but no information."""

MEAN, SD = 0.449, 0.226
"""Mean and standard deviation of deepbet's inputs, after clipping to the 0.5th and 99.5th
percentiles."""


def weights_file() -> Path:
    """Return the package's weight file.

    Raises:
        WeightsError: The package is not installed.
    """
    spec = importlib.util.find_spec("deepbet")
    if spec is None or spec.origin is None:
        raise WeightsError("no MR network: pip install --no-deps deepbet==1.0.2")
    return Path(spec.origin).parents[1] / "data" / "models" / "model.pt"


class Stage(nn.Module):
    """Two residual blocks of two 3×3×3 convolutions each.

    The stride of the first block is an argument; with 2 it halves the size.
    """

    def __init__(self, state: dict[str, Tensor], prefix: str, stride: int) -> None:
        super().__init__()
        self.stride = stride
        weights = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        for name, weight in weights.items():
            self.register_buffer(name.replace(".", "_"), weight)

    def forward(self, x_BCDHW: Tensor) -> Tensor:
        """Apply both blocks."""
        x = x_BCDHW
        for block, stride in (("block1", self.stride), ("block2", 1)):
            weights = [getattr(self, f"{block}_double_conv_{i}_weight") for i in (0, 3)]
            y = F.relu(F.instance_norm(F.conv3d(x, weights[0], stride=stride, padding=1)))
            y = F.instance_norm(F.conv3d(y, weights[1], padding=1))
            if stride > 1:
                shortcut = getattr(self, f"{block}_downsample_0_weight")
                x = F.instance_norm(F.conv3d(x, shortcut, stride=stride))
            x = F.relu(x + y)
        return x


class DeepbetFeatures(nn.Module):
    """Maps images (B, 1, H, W) of at least 32 pixels a side to features (B, FEATURES).

    The features are the activations of all stages, averaged over space. The weights are frozen.
    """

    def __init__(self, file: Path) -> None:
        """Read the weights.

        Raises:
            WeightsError: The file holds another network.
        """
        super().__init__()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                network: Any = torch.jit.load(str(file), map_location="cpu")  # torch: untyped
            state = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
            self.register_buffer("first", state["init.0.weight"])
            self.stages = nn.ModuleList(
                Stage(state, f"down{i}.", 1 if i == 0 else 2) for i in range(len(WIDTHS) - 1)
            )
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise WeightsError(f"{file}: no deepbet 1.0.2 ({str(error)[:80]})") from None
        self.requires_grad_(False)

    first: Tensor

    def forward(self, image_B1HW: Tensor) -> Tensor:
        """Return features (B, FEATURES) of images in [-1, 1]."""
        x = normalise_images(image_B1HW)[:, :, None].expand(-1, -1, DEPTH, -1, -1)
        x = F.relu(F.instance_norm(F.conv3d(x, self.first, stride=2, padding=3)))
        x = F.max_pool3d(x, 3, stride=2, padding=1)
        means = []
        for stage in self.stages:
            x = stage(x)
            means.append(x.mean((2, 3, 4)))
        return torch.cat(means, dim=1)


def normalise_images(image_B1HW: Tensor) -> Tensor:
    """Scale each image to the range of deepbet's training; a constant image becomes MEAN."""
    flat = image_B1HW.flatten(1)
    low, high = flat.quantile(torch.tensor([0.005, 0.995], dtype=flat.dtype), dim=1)
    span = (high - low).clamp(min=1e-6)[:, None]
    flat = ((flat - low[:, None]) / span).clamp(0, 1)
    flat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True).clamp(min=1e-6)
    normalised: Tensor = SD * flat + MEAN
    return normalised.view_as(image_B1HW)
