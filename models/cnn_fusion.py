"""A 3D CNN that fuses three volumes, one for each slicing direction, into one.

Ayaz et al., "3D brain MRI synthesis utilizing 2D SPADE-GAN and 3D CNN architecture".

Shape suffixes: B batch, C channels (the volumes), D, H, W the sides of a patch. The background is
0. The paper gives patches of 32³ with 50 % overlap, MSE, and Adam with a rate of 1e-3. How patches
are merged, and the width and depth of the network, are our own choice.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH = 8
"""Patches of a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""


@dataclass(frozen=True)
class CnnFusionConfig:
    """What the network is made of.

    Attributes:
        volumes: Number of volumes that are fused.
        width: Channels between the convolutions.
        depth: Number of 3×3×3 convolutions.
        patch: Side of a patch in voxels; even.
    """

    volumes: int = 3
    width: int = 16
    depth: int = 5
    patch: int = 32


class CnnFusion(nn.Module):
    """Fuses patches (B, C, D, H, W) to (B, D, H, W): the volumes' mean plus a learnt correction.

    The last layer is initialised to zero, so an untrained network returns the mean.
    """

    def __init__(self, config: CnnFusionConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels = config.volumes
        for _ in range(config.depth - 1):
            layers += [nn.Conv3d(channels, config.width, 3, padding=1), nn.ReLU()]
            channels = config.width
        self.layers = nn.Sequential(*layers, nn.Conv3d(channels, 1, 3, padding=1))

    def forward(self, volumes_BCDHW: Tensor) -> Tensor:
        """Fuse patches (B, C, D, H, W) to (B, D, H, W)."""
        # Channels last is faster on CPUs, forward and backward.
        x = volumes_BCDHW.contiguous(memory_format=torch.channels_last_3d)
        correction_B1DHW: Tensor = self.layers(x)
        return volumes_BCDHW.mean(1) + correction_B1DHW[:, 0]


def initialise(network: CnnFusion, rng: torch.Generator) -> None:
    """Draw normal weights (He et al. 2015) from a generator; biases and the last layer are 0."""
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv3d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.zeros_(convolutions[-1].weight)


def patch_window(patch: int) -> Tensor:
    """Return weights (D, H, W) of a patch; where patches half a patch apart overlap, they add to 1.

    Args:
        patch: Side of the patch in voxels.
    """
    side = torch.sin(math.pi * (torch.arange(patch, dtype=torch.float64) + 0.5) / patch) ** 2
    return torch.einsum("i,j,k->ijk", side, side, side).float()


def predict_by_patches(volumes: Tensor, patch: int, predict: Callable[[Tensor], Tensor]) -> Tensor:
    """Predict a volume (z, y, x) from volumes (C, z, y, x), patch by patch.

    The patches lie half a patch apart and reach half a patch beyond every border, where the volumes
    are padded with 0. So each voxel is in eight patches, whose weights add to 1.

    Args:
        volumes: (C, z, y, x).
        patch: Side of the patches in voxels; even.
        predict: Maps patches (B, C, D, H, W) to (B, D, H, W).
    """
    half = patch // 2
    sides = volumes.shape[1:]
    pads = [(half, half + -n % half) for n in sides]
    padded = F.pad(volumes, [p for pair in reversed(pads) for p in pair])
    merged = padded.new_zeros(padded.shape[1:])
    weights = patch_window(patch).to(volumes)
    starts = itertools.product(*(range(0, n - half, half) for n in padded.shape[1:]))
    boxes = [tuple(slice(s, s + patch) for s in start) for start in starts]
    for first in range(0, len(boxes), BATCH):
        batch = boxes[first : first + BATCH]
        predicted = predict(torch.stack([padded[:, *box] for box in batch]))
        for box, values in zip(batch, predicted, strict=True):
            merged[box] += weights * values
    return merged[tuple(slice(half, half + n) for n in sides)]


@torch.inference_mode()
def restore(network: CnnFusion, volumes: Tensor) -> Tensor:
    """Fuse volumes (C, z, y, x) of any size to one (z, y, x)."""
    return predict_by_patches(volumes, network.config.patch, network)
