"""StyleGAN2 (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").

Latents z ~ N(0, 1) are mapped to styles w, and styles to images of any number of channels. Some of
the channels may be soft labels.

Shape suffixes: B batch, Z latent, L layers, C channels, H, W pixels.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.normalisation import gather_over_workers
from factory.models.stylegan2.equalised import Conv, Linear, ModulatedConv, leaky_relu
from factory.models.stylegan2.filters import upsample

MAPPING_RATE = 0.01
"""Learning rate of the mapping network, relative to that of the others."""

W_AVERAGE_DECAY = 0.995
"""Decay of the running mean of w."""

GROUP = 4
"""Number of images in a group of the minibatch standard deviation."""


@dataclass(frozen=True)
class StyleGanConfig:
    """What generator and discriminator are made of.

    Attributes:
        resolution: Side of an image in pixels, a power of two, at least 8.
        image_channels: Channels of the image itself; 0 if only label maps are made.
        labels: Number of soft label channels that follow the image's; may be 0.
        latent: Z, the length of z and w.
        mapping_layers: Layers of the mapping; 8 in the paper, 2 in ADA's automatic configuration.
        base: There are min(base / r, most) feature channels at a resolution r.
        most: See `base`.
    """

    resolution: int
    image_channels: int = 1
    labels: int = 0
    latent: int = 512
    mapping_layers: int = 8
    base: int = 16384
    most: int = 512

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution {self.resolution}: allowed: a power of two, 8 or more")

    @property
    def channels(self) -> int:
        """Number of channels of images and labels together."""
        return self.image_channels + self.labels

    @property
    def resolutions(self) -> list[int]:
        """The resolutions of the blocks, from 4 to the image's."""
        return [2**k for k in range(2, int(math.log2(self.resolution)) + 1)]

    @property
    def layers(self) -> int:
        """Number of styles of an image: one a convolution, and one for the last image layer."""
        return 2 * len(self.resolutions)

    def width(self, resolution: int) -> int:
        """Return the number of feature channels at a resolution."""
        return max(1, min(self.base // resolution, self.most))


class Mapping(nn.Module):
    """Maps z (B, Z) to w (B, Z).

    Attributes:
        average: The running mean of w, towards which truncation moves.
    """

    average: Tensor

    def __init__(self, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        z = config.latent
        self.layers = nn.ModuleList(
            Linear(z, z, rng, rate=MAPPING_RATE) for _ in range(config.mapping_layers)
        )
        self.register_buffer("average", torch.zeros(z))

    def forward(self, z_BZ: Tensor) -> Tensor:
        """Map latents to styles."""
        x = z_BZ * torch.rsqrt(z_BZ.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = leaky_relu(layer(x))
        return x

    @torch.no_grad()
    def track(self, mean_Z: Tensor) -> None:
        """Update the running mean of w with the mean of a global batch."""
        self.average.lerp_(mean_Z, 1 - W_AVERAGE_DECAY)

    def truncated(self, w_BZ: Tensor, psi: float) -> Tensor:
        """Return w̄ + ψ (w − w̄): w itself for ψ = 1, the average for ψ = 0."""
        return self.average.lerp(w_BZ, psi)


class Layer(nn.Module):
    """A modulated convolution, noise, a bias and a leaky ReLU."""

    def __init__(
        self, inputs: int, outputs: int, up: bool, config: StyleGanConfig, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, config.latent, rng, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w_BZ: Tensor, noise_B1HW: Tensor | None) -> Tensor:
        """Return features in styles w; None leaves out the noise."""
        y = self.conv(x, w_BZ)
        if noise_B1HW is not None:
            y = y + (self.strength * noise_B1HW).to(y.dtype)
        return leaky_relu(y + self.bias[:, None, None].to(y.dtype))


class ToImage(nn.Module):
    """A 1×1 convolution to the image's channels, modulated but not demodulated."""

    def __init__(self, inputs: int, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, config.channels, 1, config.latent, rng, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(config.channels))

    def forward(self, x: Tensor, w_BZ: Tensor) -> Tensor:
        """Return an image (B, C, H, W) of features in styles w."""
        image_BCHW: Tensor = self.conv(x, w_BZ)
        return image_BCHW + self.bias[:, None, None]


class Synthesis(nn.Module):
    """Maps styles (B, L, Z) to images (B, C, H, W), with skip connections (figure 7b)."""

    def __init__(self, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config = config
        first = config.width(4)
        self.constant = nn.Parameter(torch.randn(first, 4, 4, generator=rng))
        self.convs, self.to_images = nn.ModuleList(), nn.ModuleList()
        inputs = first
        for resolution in config.resolutions:
            outputs = config.width(resolution)
            if resolution > 4:
                self.convs.append(Layer(inputs, outputs, True, config, rng))
            self.convs.append(Layer(outputs, outputs, False, config, rng))
            self.to_images.append(ToImage(outputs, config, rng))
            inputs = outputs

    def forward(self, w_BLZ: Tensor, noise: list[Tensor] | None) -> Tensor:
        """Draw images of styles; None leaves out the noise."""
        x = self.constant.expand(len(w_BLZ), -1, -1, -1)
        styles = w_BLZ.unbind(1)
        layer = 0
        image: Tensor | None = None
        for block, to_image in enumerate(self.to_images):
            for _ in range(2 if block else 1):
                x = self.convs[layer](x, styles[layer], None if noise is None else noise[layer])
                layer += 1
            # An image layer shares its style with the convolution that follows it.
            skip = to_image(x, styles[layer])
            image = skip if image is None else upsample(image) + skip
        assert image is not None
        return image


class Generator(nn.Module):
    """Mapping and synthesis: from z (B, Z) to images (B, C, H, W), roughly in [-1, 1].

    Image channels come first, then those of the labels.
    """

    def __init__(self, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config, rng)
        self.synthesis = Synthesis(config, rng)

    def noise(self, batch: int, rng: torch.Generator) -> list[Tensor]:
        """Sample the noise of each layer from N(0, 1): [(B, 1, r, r), ...]."""
        sides = [r for r in self.config.resolutions for _ in range(2 if r > 4 else 1)]
        return [torch.randn(batch, 1, side, side, generator=rng) for side in sides]

    def styles(self, w_BZ: Tensor) -> Tensor:
        """Repeat styles for all layers, (B, L, Z)."""
        return w_BZ[:, None].expand(-1, self.config.layers, -1)

    def forward(self, w_BLZ: Tensor, noise: list[Tensor] | None) -> Tensor:
        """Draw images (B, C, H, W) of styles; None leaves out the noise."""
        image_BCHW: Tensor = self.synthesis(w_BLZ, noise)
        return image_BCHW


def mix_styles(first_BLZ: Tensor, second_BLZ: Tensor, cuts_B: Tensor) -> Tensor:
    """Mix styles: the first's up to layer cuts_B (whole numbers), the second's from there on."""
    layers = torch.arange(first_BLZ.shape[1], device=first_BLZ.device)
    return torch.where((layers < cuts_B[:, None])[..., None], first_BLZ, second_BLZ)


class DiscriminatorBlock(nn.Module):
    """A residual block: two convolutions, and a 1×1 shortcut; both halve the size (figure 7c)."""

    def __init__(self, inputs: int, outputs: int, rng: torch.Generator) -> None:
        super().__init__()
        self.conv_0 = Conv(inputs, inputs, 3, rng)
        self.conv_1 = Conv(inputs, outputs, 3, rng, down=True)
        self.skip = Conv(inputs, outputs, 1, rng, bias=False, down=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H/2, W/2)."""
        y: Tensor = leaky_relu(self.conv_1(leaky_relu(self.conv_0(x))))
        shortcut: Tensor = self.skip(x)
        return (y + shortcut) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Maps images (B, C, H, W) to logits (B,).

    Groups of the minibatch standard deviation are formed over the batch of all workers.
    """

    def __init__(self, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        sides = config.resolutions[::-1]
        self.from_image = Conv(config.channels, config.width(sides[0]), 1, rng)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(config.width(a), config.width(b), rng) for a, b in pairwise(sides)
        )
        last = config.width(4)
        self.conv = Conv(last + 1, last, 3, rng)
        self.dense = Linear(last * 16, last, rng)
        self.out = Linear(last, 1, rng)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return the logits (B,)."""
        x = leaky_relu(self.from_image(image_BCHW))
        for block in self.blocks:
            x = block(x)
        x = x.float()
        x = torch.cat([x, minibatch_deviation(x)], 1)
        x = leaky_relu(self.conv(x))
        x = leaky_relu(self.dense(x.flatten(1)))
        logits_B1: Tensor = self.out(x)
        return logits_B1[:, 0]


def minibatch_deviation(x_BCHW: Tensor) -> Tensor:
    """Return by how much the images of a group differ, as a constant map (B, 1, H, W).

    It is the standard deviation over the group, averaged over channels and pixels (Karras et al.
    2018, section 3). Image i of the global batch is in group i mod (B / 4).
    """
    global_batch, rows = gather_over_workers(x_BCHW)
    size = next(n for n in (GROUP, 3, 2, 1) if len(global_batch) % n == 0)
    groups: Tensor = global_batch.unflatten(0, (size, -1))
    deviation_G = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    deviation_B = deviation_G.repeat(size)[rows]
    return deviation_B[:, None, None, None].expand(-1, 1, *x_BCHW.shape[2:])


def image_and_label(output_BCHW: Tensor, config: StyleGanConfig) -> tuple[Tensor, Tensor | None]:
    """Split a generator's output into images and label maps.

    Returns:
        Images (B, c, H, W) in [-1, 1]; and labels (B, H, W), None without label channels.
    """
    image = output_BCHW[:, : config.image_channels].clamp(-1, 1)
    if not config.labels:
        return image, None
    kind = torch.uint8 if config.labels <= 256 else torch.int32
    return image, output_BCHW[:, config.image_channels :].argmax(1).to(kind)


def soft_labels(label_BHW: Tensor, labels: int, sigma: float) -> Tensor:
    """Encode label maps as channels (B, K, H, W) in [-1, 1] with blurred edges.

    By hard edges alone the discriminator could tell real from generated label maps.

    Args:
        label_BHW: Label maps.
        labels: K, including the background.
        sigma: Standard deviation of the blur in pixels; 0 leaves it out.
    """
    one_hot = F.one_hot(label_BHW.long(), labels).movedim(-1, 1).float()
    if sigma > 0:
        reach = max(1, math.ceil(3 * sigma))
        at = torch.arange(-reach, reach + 1, dtype=torch.float32, device=one_hot.device)
        taps = torch.exp(-0.5 * (at / sigma) ** 2)
        taps = taps / taps.sum()
        padded = F.pad(one_hot, [reach] * 4, mode="replicate")
        rows = F.conv2d(padded, taps.view(1, 1, -1, 1).expand(labels, 1, -1, 1), groups=labels)
        one_hot = F.conv2d(rows, taps.view(1, 1, 1, -1).expand(labels, 1, 1, -1), groups=labels)
    return one_hot * 2 - 1
