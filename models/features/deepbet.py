"""Features of MR slices from the encoder of deepbet, a network that finds brains in T1w MRI
(Fisch et al. 2024; MIT), whose weights the PyPI package `deepbet` carries.

The package's own modules are not imported: only its weights are read. It is a 3D network: a slice
is given to it as a slab of copies of itself, so that the features do not depend on direction.

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

DEPTH = 16
"""Copies of a slice in its slab: more of them tell nothing more, and cost as much again."""

MEAN, SD = 0.449, 0.226
"""To which deepbet brings an image, clipped to its 0.5th and 99.5th percentiles."""


def weights_file() -> Path:
    """The package's network. Raises WeightsError where it is not installed."""
    spec = importlib.util.find_spec("deepbet")
    if spec is None or spec.origin is None:
        raise WeightsError("no MR network: pip install --no-deps deepbet==1.0.2")
    return Path(spec.origin).parents[1] / "data" / "models" / "model.pt"


class Stage(nn.Module):
    """Two residual blocks of two 3×3×3 convolutions; the first halves the size where told to."""

    def __init__(self, state: dict[str, Tensor], prefix: str, stride: int) -> None:
        super().__init__()
        self.stride = stride
        kept = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        for name, weight in kept.items():
            self.register_buffer(name.replace(".", "_"), weight)

    def forward(self, x_BCDHW: Tensor) -> Tensor:
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
    """(B, FEATURES) of images (B, 1, H, W) of at least 32 pixels a side: the means over space of
    every stage's activations. Frozen. Raises WeightsError where the file holds another network."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                network: Any = torch.jit.load(str(file), map_location="cpu")
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
        x = normalised(image_B1HW)[:, :, None].expand(-1, -1, DEPTH, -1, -1)
        x = F.relu(F.instance_norm(F.conv3d(x, self.first, stride=2, padding=3)))
        x = F.max_pool3d(x, 3, stride=2, padding=1)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x.mean((2, 3, 4)))
        return torch.cat(found, dim=1)


def normalised(image_B1HW: Tensor) -> Tensor:
    """Images as the network learnt them; a constant one becomes MEAN."""
    flat = image_B1HW.flatten(1)
    low, high = flat.quantile(torch.tensor([0.005, 0.995], dtype=flat.dtype), dim=1)
    span = (high - low).clamp(min=1e-6)[:, None]
    flat = ((flat - low[:, None]) / span).clamp(0, 1)
    flat = (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True).clamp(min=1e-6)
    return (SD * flat + MEAN).view_as(image_B1HW)
