"""A convolutional variational autoencoder of label maps.

Kingma and Welling 2014; Amirrajab et al.

It encodes one-hot labels of a slice (2D) or a volume (3D) as a latent code, and decodes the code to
logits of the labels. Its loss is that of Amirrajab et al.'s figure 1: cross-entropy and a weighted
KL divergence.

Shape suffixes: B batch, K labels (one-hot), S the two or three sides of a map, Z latent.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 4
"""Groups of the group normalisation; numbers of channels must be multiples of it."""

SMALLEST = 4
"""A side is halved, stage by stage, while it is even and its half is no smaller than this."""


@dataclass(frozen=True)
class LabelVaeConfig:
    """What the autoencoder is made of.

    Attributes:
        labels: K, including the background.
        shape: (y, x) of slices or (z, y, x) of volumes, in voxels.
        latent: Z, the length of a code.
        width: Channels of the first stage, doubled at each stage.
        most: The largest number of channels.
    """

    labels: int
    shape: tuple[int, ...]
    latent: int = 64
    width: int = 16
    most: int = 128

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))  # a card holds a list
        if len(self.shape) not in (2, 3):
            raise ValueError(f"shape {self.shape}: two sides or three")
        if self.width % GROUPS or self.most % GROUPS:
            raise ValueError(f"width {self.width}, most {self.most}: multiples of {GROUPS}")


def strides(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return by how much each stage divides each side: by 2 while it can be halved, then by 1."""
    stages: list[tuple[int, ...]] = []
    while True:
        step = tuple(2 if n % 2 == 0 and n // 2 >= SMALLEST else 1 for n in shape)
        if max(step) == 1:
            return stages
        stages.append(step)
        shape = tuple(n // s for n, s in zip(shape, step, strict=True))


class LabelVae(nn.Module):
    """Encoder and decoder of label maps of one shape."""

    def __init__(self, config: LabelVaeConfig) -> None:
        super().__init__()
        self.config = config
        flat = len(config.shape) == 2
        conv = nn.Conv2d if flat else nn.Conv3d
        steps = strides(config.shape)
        widths = [min(config.width * 2**i, config.most) for i in range(len(steps))]

        def block(inputs: int, outputs: int, stride: tuple[int, ...] | int = 1) -> nn.Sequential:
            return nn.Sequential(
                conv(inputs, outputs, 3, stride, 1),  # type: ignore[arg-type]
                nn.GroupNorm(GROUPS, outputs),
                nn.SiLU(),
            )

        down: list[nn.Module] = []
        for a, b, step in zip([config.labels, *widths], widths, steps, strict=False):
            down += [block(a, b, step), block(b, b)]
        self.down = nn.Sequential(*down)
        with torch.no_grad():
            self.bottom = self.down(torch.zeros(1, config.labels, *config.shape)).shape[1:]
        size = self.bottom.numel()
        self.to_mu = nn.Linear(size, config.latent)
        self.to_logvar = nn.Linear(size, config.latent)
        self.from_latent = nn.Linear(config.latent, size)
        up: list[nn.Module] = []
        for (b, a), step in zip(list(pairwise(widths))[::-1], steps[:0:-1], strict=True):
            up += [block(a, b), nn.Upsample(scale_factor=tuple(map(float, step))), block(b, b)]
        self.up = nn.Sequential(*up)
        # The logits do the last doubling: convolutions at full size would take half of the time.
        self.to_logits = conv(config.width, config.labels * math.prod(steps[0]), 3, padding=1)
        self.last = steps[0]

    def encode(self, labels_BKS: Tensor) -> tuple[Tensor, Tensor]:
        """Return μ and log σ² of the codes of one-hot labels, each (B, Z)."""
        features = self.down(labels_BKS).flatten(1)
        return self.to_mu(features), self.to_logvar(features).clamp(-12, 6)

    def decode(self, code_BZ: Tensor) -> Tensor:
        """Return logits of labels (B, K, S…); their argmax is the label map."""
        features = self.up(self.from_latent(code_BZ).unflatten(1, self.bottom))
        return channels_to_space(self.to_logits(features), self.last)

    def forward(self, labels_BKS: Tensor, noise_BZ: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, μ and log σ²; the code is μ + σ · noise (the reparametrisation trick)."""
        mu_BZ, logvar_BZ = self.encode(labels_BKS)
        return self.decode(mu_BZ + noise_BZ * torch.exp(0.5 * logvar_BZ)), mu_BZ, logvar_BZ


def channels_to_space(x_BCS: Tensor, step: tuple[int, ...]) -> Tensor:
    """Move channels into space, in two or three dimensions (Shi et al. 2016, eq. 4).

    Args:
        x_BCS: (B, K · Π step, S…).
        step: Factor by which each side grows.

    Returns:
        (B, K, S · step…).
    """
    batch, channels, *sides = x_BCS.shape
    n = len(step)
    x = x_BCS.reshape(batch, channels // math.prod(step), *step, *sides)
    order = [0, 1, *(axis for i in range(n) for axis in (2 + n + i, 2 + i))]
    return x.permute(order).reshape(
        batch, -1, *(side * s for side, s in zip(sides, step, strict=True))
    )


def cross_entropy(logits_BKS: Tensor, label_BS: Tensor) -> Tensor:
    """Return the cross-entropy in nats, summed over voxels and averaged over the batch."""
    return F.cross_entropy(logits_BKS, label_BS.long(), reduction="sum") / len(label_BS)


def prior(count: int, latent: int, generator: torch.Generator) -> Tensor:
    """Sample codes (count, Z) from N(0, 1)."""
    return torch.randn(count, latent, generator=generator)


def linear(first_BZ: Tensor, last_BZ: Tensor, t: Tensor | float) -> Tensor:
    """Interpolate codes linearly: (1 − t) · first + t · last.

    Args:
        first_BZ: Codes at t = 0.
        last_BZ: Codes at t = 1.
        t: One position, or one for each row (B, 1).
    """
    return first_BZ + t * (last_BZ - first_BZ)


def spherical(first_BZ: Tensor, last_BZ: Tensor, t: Tensor | float) -> Tensor:
    """Interpolate codes along the great circle of their directions (Shoemake 1985).

    The norm is interpolated linearly. Where the directions are equal or opposite, or a code is 0,
    there is no such circle, and the codes are interpolated linearly. Arguments as for `linear`.
    """
    sizes = [code.norm(dim=-1, keepdim=True) for code in (first_BZ, last_BZ)]
    a, b = (code / n.clamp(min=1e-12) for code, n in zip((first_BZ, last_BZ), sizes, strict=True))
    cosine = (a * b).sum(-1, keepdim=True).clamp(-1, 1)
    angle = torch.arccos(cosine)
    sine = torch.sin(angle)
    direction = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / sine.clamp(min=1e-6)
    norm = linear(sizes[0], sizes[1], t)
    straight = (sine < 1e-3) | (sizes[0] < 1e-12) | (sizes[1] < 1e-12)
    return torch.where(straight, linear(first_BZ, last_BZ, t), norm * direction)


PATHS = {"linear": linear, "spherical": spherical}
"""Interpolations by their names in recipes."""


def path(codes_NZ: Tensor, positions_M: Tensor, method: str = "linear") -> Tensor:
    """Return points (M, Z) of a curve through codes.

    Args:
        codes_NZ: The codes that the curve passes at positions 0, 1, …, N − 1.
        positions_M: Positions of the points, from 0 to N − 1.
        method: One of PATHS.
    """
    last = max(len(codes_NZ) - 1, 0)
    low = positions_M.floor().long().clamp(0, max(last - 1, 0))
    t = (positions_M - low).to(codes_NZ)[:, None]
    return PATHS[method](codes_NZ[low], codes_NZ[(low + 1).clamp(max=last)], t)
