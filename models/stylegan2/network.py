"""StyleGAN2 (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").

Latents z ~ N(0, 1) become styles w, and styles become images of any number of channels, of which
some may be soft labels. Shape suffixes: B batch, Z latent, L layers, C channels, H, W pixels.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from factory.models.normalisation import over_workers
from factory.models.stylegan2.equalised import Conv, Linear, ModulatedConv, leaky_relu
from factory.models.stylegan2.filters import upsample

MAPPING_RATE = 0.01
W_AVERAGE_DECAY = 0.995
GROUP = 4
"""Images a group of the minibatch standard deviation."""


@dataclass(frozen=True)
class StyleGanConfig:
    """resolution: pixels a side, a power of two from 8 on. image_channels: of the image itself, 0
    where label maps alone are made. labels: K soft label channels after them, 0 for none. latent:
    Z of z and w. mapping_layers: 8 in the paper, 2 in the automatic configuration of ADA. base,
    most: channels at a resolution r are min(base / r, most)."""

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
        return self.image_channels + self.labels

    @property
    def resolutions(self) -> list[int]:
        return [2**k for k in range(2, int(math.log2(self.resolution)) + 1)]

    @property
    def layers(self) -> int:
        """Styles that a generator takes: one a convolution, and one for the last image layer."""
        return 2 * len(self.resolutions)

    def width(self, resolution: int) -> int:
        return max(1, min(self.base // resolution, self.most))


class Mapping(nn.Module):
    """z (B, Z) to w (B, Z). average: the running mean of w, where truncation draws to."""

    average: Tensor

    def __init__(self, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        z = config.latent
        self.layers = nn.ModuleList(
            Linear(z, z, rng, rate=MAPPING_RATE) for _ in range(config.mapping_layers)
        )
        self.register_buffer("average", torch.zeros(z))

    def forward(self, z_BZ: Tensor) -> Tensor:
        x = z_BZ * torch.rsqrt(z_BZ.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = leaky_relu(layer(x))
        return x

    @torch.no_grad()
    def track(self, mean_Z: Tensor) -> None:
        """Let the running mean follow the mean style of a global batch."""
        self.average.lerp_(mean_Z, 1 - W_AVERAGE_DECAY)

    def truncated(self, w_BZ: Tensor, psi: float) -> Tensor:
        """w̄ + ψ (w − w̄): 1 leaves w, 0 gives the average."""
        return self.average.lerp(w_BZ, psi)


class Layer(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(
        self, inputs: int, outputs: int, up: bool, config: StyleGanConfig, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, config.latent, rng, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w_BZ: Tensor, noise_B1HW: Tensor | None) -> Tensor:
        y = self.conv(x, w_BZ)
        if noise_B1HW is not None:
            y = y + (self.strength * noise_B1HW).to(y.dtype)
        return leaky_relu(y + self.bias[:, None, None].to(y.dtype))


class ToImage(nn.Module):
    """1×1, modulated but not demodulated."""

    def __init__(self, inputs: int, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, config.channels, 1, config.latent, rng, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(config.channels))

    def forward(self, x: Tensor, w_BZ: Tensor) -> Tensor:
        return self.conv(x, w_BZ) + self.bias[:, None, None]


class Synthesis(nn.Module):
    """Styles (B, L, Z) to images (B, C, H, W): skip connections (the paper's figure 7b)."""

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
    """z (B, Z) to images (B, C, H, W), image channels first, in [-1, 1] or about it."""

    def __init__(self, config: StyleGanConfig, rng: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config, rng)
        self.synthesis = Synthesis(config, rng)

    def noise(self, batch: int, rng: torch.Generator) -> list[Tensor]:
        """One N(0, 1) image a layer: [(B, 1, r, r), ...]."""
        sides = [r for r in self.config.resolutions for _ in range(2 if r > 4 else 1)]
        return [torch.randn(batch, 1, side, side, generator=rng) for side in sides]

    def styles(self, w_BZ: Tensor) -> Tensor:
        """The same style for every layer: (B, L, Z)."""
        return w_BZ[:, None].expand(-1, self.config.layers, -1)

    def forward(self, w_BLZ: Tensor, noise: list[Tensor] | None) -> Tensor:
        return self.synthesis(w_BLZ, noise)


def mixed(first_BLZ: Tensor, second_BLZ: Tensor, cuts_B: Tensor) -> Tensor:
    """Style mixing: layers from cuts_B (whole numbers) on take the second's styles."""
    layers = torch.arange(first_BLZ.shape[1], device=first_BLZ.device)
    return torch.where((layers < cuts_B[:, None])[..., None], first_BLZ, second_BLZ)


class DiscriminatorBlock(nn.Module):
    """Residual: two convolutions and a halving beside a 1×1 (the paper's figure 7c)."""

    def __init__(self, inputs: int, outputs: int, rng: torch.Generator) -> None:
        super().__init__()
        self.conv_0 = Conv(inputs, inputs, 3, rng)
        self.conv_1 = Conv(inputs, outputs, 3, rng, down=True)
        self.skip = Conv(inputs, outputs, 1, rng, bias=False, down=True)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky_relu(self.conv_1(leaky_relu(self.conv_0(x))))
        return (y + self.skip(x)) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Images (B, C, H, W) to logits (B,). Groups of the minibatch standard deviation are formed
    over the batch of all workers."""

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
        x = leaky_relu(self.from_image(image_BCHW))
        for block in self.blocks:
            x = block(x)
        x = x.float()
        x = torch.cat([x, minibatch_deviation(x)], 1)
        x = leaky_relu(self.conv(x))
        x = leaky_relu(self.dense(x.flatten(1)))
        return self.out(x)[:, 0]


def minibatch_deviation(x_BCHW: Tensor) -> Tensor:
    """One map (B, 1, H, W): how much the images of a group differ, averaged over all there is
    (Karras et al. 2018, section 3). Image i of the global batch is in group i mod (B / 4)."""
    whole, own = over_workers(x_BCHW)
    size = next(n for n in (GROUP, 3, 2, 1) if len(whole) % n == 0)
    groups = whole.unflatten(0, (size, -1))
    deviation_G = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    of_each_B = deviation_G.repeat(size)[own]
    return of_each_B[:, None, None, None].expand(-1, 1, *x_BCHW.shape[2:])


def image_and_label(output_BCHW: Tensor, config: StyleGanConfig) -> tuple[Tensor, Tensor | None]:
    """A generator's output as images (B, c, H, W) in [-1, 1] and labels (B, H, W), uint8."""
    image = output_BCHW[:, : config.image_channels].clamp(-1, 1)
    if not config.labels:
        return image, None
    return image, output_BCHW[:, config.image_channels :].argmax(1).to(torch.uint8)


def soft_labels(label_BHW: Tensor, labels: int, sigma: float) -> Tensor:
    """Label maps as channels in [-1, 1] whose edges are blurred by σ pixels: (B, K, H, W).

    Hard edges would tell real from generated by themselves.
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
