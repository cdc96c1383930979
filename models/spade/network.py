"""SPADE: label maps -> images (Park et al. 2019, "Semantic Image Synthesis with
Spatially-Adaptive Normalization").

Shape suffixes: B batch, C channels, K labels (one-hot), H height, W width, Z latent. Images lie in
[-1, 1]. Heights and widths are multiples of STRIDE.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from factory.models.normalisation import BatchNorm, normalisation
from factory.models.spade.modulation import folded, modulate, table
from factory.models.spade.neighbourhoods import LabelMaps, Neighbourhoods
from factory.models.spade.neighbourhoods import one_hot as one_hot

STRIDE = 32
"""The generator starts at 1/32 of the output's resolution and doubles it five times."""

DOWNSCALES = (32, 16, 16, 8, 4, 2, 1)
"""A block each: the head at 1/32; both middle blocks at 1/16; then one block a doubling."""


@dataclass(frozen=True)
class SpadeConfig:
    """What a generator is made of.

    labels: K, background included. width: nf, channels of the last block. hidden: channels of the
    modulation's shared layer (the paper: 128 at nf 64). latent: Z of the style code; 0 starts from
    the label map alone. norm: what γ and β modulate.
    """

    labels: int
    width: int = 64
    hidden: int = 128
    latent: int = 0
    norm: Literal["batch", "instance"] = "batch"


def check_sides(maps: Tensor) -> None:
    """Raises ValueError where the sides of label maps (…, H, W) are no multiples of STRIDE."""
    height, width = maps.shape[-2:]
    if height % STRIDE or width % STRIDE:
        raise ValueError(f"label map of {height}×{width}: sides must be multiples of {STRIDE}")


class Spade(nn.Module):
    """x̂ · (1 + γ(labels)) + β(labels): eq. 1 of the paper, with γ, β as in its figure 2.

    γ and β depend on the labels alone. They are convolutions of all pixels (`modulation`), or a
    table of the distinct neighbourhoods (`table`): for inference, since weights must stand still.
    fused: use the kernel of factory.models.spade.triton_kernel, on a GPU and for inference alone.
    """

    fused = False

    def __init__(self, channels: int, config: SpadeConfig) -> None:
        super().__init__()
        self.norm = normalisation(config.norm, channels)
        self.shared = nn.Conv2d(config.labels, config.hidden, 3, padding=1)
        self.gamma_beta = nn.Conv2d(config.hidden, 2 * channels, 3, padding=1)

    def modulation(self, labels_BKHW: Tensor) -> tuple[Tensor, Tensor]:
        """γ and β, each (B, C, H, W)."""
        gamma, beta = self.gamma_beta(F.relu(self.shared(labels_BKHW))).chunk(2, dim=1)
        return gamma, beta

    def affine(self) -> tuple[Tensor, Tensor]:
        """Scale and shift (C,) of running statistics; 1 and 0 (1,) where an image has its own."""
        if isinstance(self.norm, BatchNorm):
            return self.norm.affine(self.norm.mean, self.norm.variance)
        one = self.gamma_beta.weight.new_ones(1)
        return one, one - 1

    def table(self, near: Neighbourhoods) -> Tensor:
        """(N, 2C): what `modulate` reads. Running statistics are folded in: for inference."""
        return table(self.shared, self.gamma_beta, *self.affine(), near)

    def forward(self, x_BCHW: Tensor, labels: "Tensor | Tables", slope: float = 1.0) -> Tensor:
        """labels: one-hot (B, K, H, W), or tables. slope: of a leaky ReLU to follow; 1 is none."""
        if isinstance(labels, Tables):
            return self.modulated(x_BCHW, labels.rows[self], labels.index_BHW, slope)
        if self.fused:
            weight, bias = folded(self.gamma_beta, *self.affine())
            rows_B2CHW = F.conv2d(F.relu(self.shared(labels)), weight, bias, padding=1)
            return self.modulated(x_BCHW, rows_B2CHW.movedim(1, -1).flatten(0, 2), None, slope)
        gamma, beta = self.modulation(labels)
        x_BCHW = self.norm(x_BCHW) * (1 + gamma) + beta
        return x_BCHW if slope == 1 else F.leaky_relu(x_BCHW, slope)

    def modulated(
        self, x_BCHW: Tensor, rows_R2C: Tensor, index_BHW: Tensor | None, slope: float
    ) -> Tensor:
        """By factors and offsets into which running statistics are folded."""
        if not isinstance(self.norm, BatchNorm):
            x_BCHW = self.norm(x_BCHW)
        if not self.fused:
            assert index_BHW is not None
            return modulate(x_BCHW, rows_R2C, index_BHW, slope)
        from factory.models.spade import triton_kernel as fused  # Triton comes with torch for GPUs

        return fused.modulate(x_BCHW, rows_R2C, index_BHW, slope)


@dataclass(frozen=True)
class Tables:
    """What a block is told of label maps instead of their one-hot code: a table a Spade, and each
    pixel's row (B, H, W). Label maps are chosen as a tensor's would be: tables[4:8]."""

    index_BHW: Tensor
    rows: dict[Spade, Tensor]

    def __getitem__(self, chosen: Any) -> "Tables":
        return Tables(self.index_BHW[chosen], self.rows)


class SpadeBlock(nn.Module):
    """Residual block of two SPADE–lrelu–conv3 (figure 4); a learnt shortcut where widths differ."""

    def __init__(self, inputs: int, outputs: int, config: SpadeConfig) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.spade_0 = Spade(inputs, config)
        self.conv_0 = spectral_norm(nn.Conv2d(inputs, middle, 3, padding=1))
        self.spade_1 = Spade(middle, config)
        self.conv_1 = spectral_norm(nn.Conv2d(middle, outputs, 3, padding=1))
        self.spade_s: Spade | None = None
        if inputs != outputs:
            self.spade_s = Spade(inputs, config)
            self.conv_s = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))

    def tables(self, near: Neighbourhoods) -> Tables:
        spades = [module for module in self.children() if isinstance(module, Spade)]
        return Tables(near.index_BHW, {spade: spade.table(near) for spade in spades})

    def forward(self, x: Tensor, labels: Tensor | Tables) -> Tensor:
        shortcut = x if self.spade_s is None else self.conv_s(self.spade_s(x, labels))
        x = self.conv_0(self.spade_0(x, labels, slope=0.2))
        x = self.conv_1(self.spade_1(x, labels, slope=0.2))
        return shortcut + x


class SpadeGenerator(nn.Module):
    """One-hot labels (B, K, H, W), and a style code (B, Z) if the config has one, to images
    (B, 1, H, W) in [-1, 1]. Raises ValueError where H or W is no multiple of STRIDE."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.config = config
        nf = config.width
        if config.latent:
            self.head_latent = nn.Linear(config.latent, 16 * nf)
        self.head_labels = nn.Conv2d(config.labels, 16 * nf, 3, padding=1)
        widths = [(16, 16), (16, 16), (16, 16), (16, 8), (8, 4), (4, 2), (2, 1)]
        self.blocks = nn.ModuleList(SpadeBlock(a * nf, b * nf, config) for a, b in widths)
        self.to_image = nn.Conv2d(nf, 1, 3, padding=1)

    def forward(self, labels_BKHW: Tensor, style_BZ: Tensor | None = None) -> Tensor:
        check_sides(labels_BKHW)
        head_BKHW = labels_BKHW[..., ::STRIDE, ::STRIDE]
        return self.draw([head_BKHW, *(labels_BKHW[..., ::d, ::d] for d in DOWNSCALES)], style_BZ)

    @torch.no_grad()
    def prepare(self, maps: LabelMaps) -> list[Tensor | Tables]:
        """All that `draw` needs of label maps, once for any number of styles. Without gradients.

        By table where that takes less time than convolving. Raises ValueError as `forward` does,
        and in training, when a table of batch statistics would be out of date.
        """
        check_sides(maps.label_BHW)
        if self.training:
            raise ValueError("tables are for inference: call eval() first")
        made: list[Tensor | Tables] = [maps.one_hot(STRIDE)]
        for block, downscale in zip(self.blocks, DOWNSCALES, strict=True):
            assert isinstance(block, SpadeBlock)
            if maps.recurrent(downscale):
                made.append(block.tables(maps.neighbourhoods(downscale)))
            else:
                made.append(maps.one_hot(downscale))
        return made

    def draw(self, labels: Sequence[Tensor | Tables], style_BZ: Tensor | None = None) -> Tensor:
        """Images from what `prepare` made: of all label maps, or of some ([each[4:8] for each])."""
        head_BKHW, *rest = labels
        assert isinstance(head_BKHW, Tensor)
        x = self.head_labels(head_BKHW)
        if self.config.latent:
            if style_BZ is None:
                raise ValueError("this generator has a style latent: pass style_BZ")
            x = x + self.head_latent(style_BZ)[:, :, None, None]
        before = STRIDE
        for block, downscale, told in zip(self.blocks, DOWNSCALES, rest, strict=True):
            if downscale != before:
                x = F.interpolate(x, scale_factor=2)
            x, before = block(x, told), downscale
        with torch.autocast(x.device.type, enabled=False):  # an image has more than 256 greys
            return torch.tanh(self.to_image(F.leaky_relu(x.float(), 0.2)))


class StyleEncoder(nn.Module):
    """Image (B, 1, H, W) -> μ and log σ² of its style code, each (B, Z): the paper's image encoder.

    The last map is averaged over space, so that any image size will do.
    """

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        widths = [1, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            conv = spectral_norm(nn.Conv2d(a, b, 3, stride=2, padding=1))
            layers += [conv, nn.GroupNorm(1, b, affine=False), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.to_mu = nn.Linear(8 * width, latent)
        self.to_logvar = nn.Linear(8 * width, latent)

    def forward(self, image_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(image_B1HW).mean((2, 3))
        return self.to_mu(features), self.to_logvar(features)


class PatchDiscriminator(nn.Module):
    """One scale: one-hot labels and image (B, K + 1, H, W) to the features of every layer; the
    last, (B, 1, h, w), are the scores of its patches."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(inputs, width, 4, 2, 2), nn.LeakyReLU(0.2))
        layers: list[nn.Module] = [first]
        for a, b, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
            conv = spectral_norm(nn.Conv2d(a * width, b * width, 4, stride, 2, bias=False))
            norm = nn.InstanceNorm2d(b * width)
            layers.append(nn.Sequential(conv, norm, nn.LeakyReLU(0.2)))
        layers.append(nn.Conv2d(8 * width, 1, 4, 1, 2))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


class MultiScaleDiscriminator(nn.Module):
    """PatchDiscriminators on the image and on its halves: a list of feature lists, one a scale."""

    def __init__(self, labels: int, width: int = 64, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(labels + 1, width) for _ in range(scales))

    def forward(self, labels_BKHW: Tensor, image_B1HW: Tensor) -> list[list[Tensor]]:
        x = torch.cat([labels_BKHW, image_B1HW], dim=1)
        outputs = []
        for scale in self.scales:
            outputs.append(scale(x))
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return outputs


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Xavier normal of gain 0.02 for every convolution and linear layer, zero biases; the vectors
    of spectral norm's power iteration are drawn from the same generator."""
    for layer in module.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if not parametrize.is_parametrized(layer):
            nn.init.xavier_normal_(layer.weight, gain=0.02, generator=generator)
            continue
        spectral: Any = getattr(layer, "parametrizations").weight  # noqa: B009  (mypy takes it for a tensor)
        nn.init.xavier_normal_(spectral.original, gain=0.02, generator=generator)
        matrix = spectral.original.detach().flatten(1)
        u = torch.randn(len(matrix), generator=generator)
        for _ in range(15):
            v = F.normalize(matrix.T @ u, dim=0)
            u = F.normalize(matrix @ v, dim=0)
        spectral[0]._u.copy_(u)
        spectral[0]._v.copy_(v)
