"""Three volumes, one a slicing direction, restored to one by a 3D CNN (Ayaz et al., "3D brain MRI
synthesis utilizing 2D SPADE-GAN and 3D CNN architecture").

Shape suffixes: B batch, C channels (the volumes), D, H, W the sides of a patch. Intensities are 0
for background. The paper gives patches of 32³ at 50 % overlap, MSE and Adam at 1e-3; how they are
merged, and how wide and deep the network is, is ours.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH = 8
"""Patches a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""


@dataclass(frozen=True)
class CnnFusionConfig:
    """volumes: channels in. width: channels between. depth: 3³ convolutions. patch: even side."""

    volumes: int = 3
    width: int = 16
    depth: int = 5
    patch: int = 32


class CnnFusion(nn.Module):
    """Patches (B, C, D, H, W) to (B, D, H, W): the volumes' mean and a learnt correction to it.

    The last layer starts at zero, so that an untrained network is the mean.
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
        # Channels last is faster on CPUs, forward and back.
        x = volumes_BCDHW.contiguous(memory_format=torch.channels_last_3d)
        return volumes_BCDHW.mean(1) + self.layers(x)[:, 0]


def initialise(network: CnnFusion, rng: torch.Generator) -> None:
    """He et al.'s normal weights and no bias; zero in the last layer."""
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv3d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.zeros_(convolutions[-1].weight)


def window(patch: int) -> Tensor:
    """Weights (D, H, W) of a patch; copies half a patch apart add to 1 wherever they overlap."""
    side = torch.sin(math.pi * (torch.arange(patch, dtype=torch.float64) + 0.5) / patch) ** 2
    return torch.einsum("i,j,k->ijk", side, side, side).float()


def by_patches(volumes: Tensor, patch: int, predict: Callable[[Tensor], Tensor]) -> Tensor:
    """A volume (z, y, x) merged from what predict makes of the patches of volumes (C, z, y, x).

    The patches lie half a patch apart, and half a patch beyond every border on a background of 0,
    so that each voxel is in eight and their weights add to 1. predict takes patches
    (B, C, D, H, W) and returns (B, D, H, W).
    """
    half = patch // 2
    sides = volumes.shape[1:]
    pads = [(half, half + -n % half) for n in sides]
    padded = F.pad(volumes, [p for pair in reversed(pads) for p in pair])
    merged = padded.new_zeros(padded.shape[1:])
    weights = window(patch).to(volumes)
    starts = itertools.product(*(range(0, n - half, half) for n in padded.shape[1:]))
    boxes = [tuple(slice(s, s + patch) for s in start) for start in starts]
    for first in range(0, len(boxes), BATCH):
        chosen = boxes[first : first + BATCH]
        predicted = predict(torch.stack([padded[:, *box] for box in chosen]))
        for box, values in zip(chosen, predicted, strict=True):
            merged[box] += weights * values
    return merged[tuple(slice(half, half + n) for n in sides)]


@torch.inference_mode()
def restore(network: CnnFusion, volumes: Tensor) -> Tensor:
    """Volumes (C, z, y, x) of any size to one (z, y, x)."""
    return by_patches(volumes, network.config.patch, network)
