"""The networks of SPADE, which map label maps to images.

Park et al. 2019, "Semantic Image Synthesis with Spatially-Adaptive Normalization".

Shape suffixes: B batch, C channels, I channels of images, K labels (one-hot), H height, W width, Z
latent. Images lie in [-1, 1]. Heights and widths are multiples of STRIDE.
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
from factory.models.spade.modulation import fold_normalisation, modulate, modulation_table
from factory.models.spade.neighbourhoods import LabelMaps, Neighbourhoods
from factory.models.spade.neighbourhoods import one_hot as one_hot

STRIDE = 32
"""Sides of label maps are multiples of this: the generator doubles the resolution five times."""

DOWNSCALES = (32, 16, 16, 8, 4, 2, 1)
"""Each block works at 1 / this of the resolution: the head, two middle blocks, one a doubling."""


@dataclass(frozen=True)
class SpadeConfig:
    """What a generator is made of.

    Attributes:
        labels: K, including the background.
        width: Channels of the last block; nf in the paper.
        hidden: Channels of the modulation's shared layer (in the paper: 128 with nf = 64).
        latent: Z, the length of a style code; with 0 the generator sees only the label map.
        norm: The normalisation that γ and β modulate.
        channels: Channels of the images.
    """

    labels: int
    width: int = 64
    hidden: int = 128
    latent: int = 0
    norm: Literal["batch", "instance"] = "batch"
    channels: int = 1


def check_sides(maps: Tensor) -> None:
    """Raise ValueError if the sides of label maps (…, H, W) are no multiples of STRIDE."""
    height, width = maps.shape[-2:]
    if height % STRIDE or width % STRIDE:
        raise ValueError(f"label map of {height}×{width}: sides must be multiples of {STRIDE}")


class Spade(nn.Module):
    """x̂ · (1 + γ(labels)) + β(labels): eq. 1 of the paper, with γ and β as in its figure 2.

    γ and β depend only on the labels. They are computed for all pixels by convolutions
    (`modulation`) or, at inference, for the distinct neighbourhoods (`table`).

    Attributes:
        fused: Whether to use the kernel of factory.models.spade.triton_kernel; on a GPU and at
            inference only.
    """

    fused = False

    def __init__(self, channels: int, config: SpadeConfig) -> None:
        super().__init__()
        self.norm = normalisation(config.norm, channels)
        self.shared = nn.Conv2d(config.labels, config.hidden, 3, padding=1)
        self.gamma_beta = nn.Conv2d(config.hidden, 2 * channels, 3, padding=1)

    def modulation(self, labels_BKHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return γ and β, each (B, C, H, W)."""
        gamma, beta = self.gamma_beta(F.relu(self.shared(labels_BKHW))).chunk(2, dim=1)
        return gamma, beta

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (C,) of running statistics; without any, 1 and 0 of shape (1,)."""
        if isinstance(self.norm, BatchNorm):
            return self.norm.affine(self.norm.mean, self.norm.variance)
        one = self.gamma_beta.weight.new_ones(1)
        return one, one - 1

    def table(self, near: Neighbourhoods) -> Tensor:
        """Return the table (N, 2C) for `modulate`, with the running statistics folded in."""
        return modulation_table(self.shared, self.gamma_beta, *self.affine(), near)

    def forward(self, x_BCHW: Tensor, labels: "Tensor | Tables", slope: float = 1.0) -> Tensor:
        """Normalise and modulate features.

        Args:
            x_BCHW: Features.
            labels: One-hot labels (B, K, H, W), or tables.
            slope: Slope of the leaky ReLU that follows; 1 leaves it out.
        """
        if isinstance(labels, Tables):
            return self.modulated(x_BCHW, labels.rows[self], labels.index_BHW, slope)
        if self.fused:
            weight, bias = fold_normalisation(self.gamma_beta, *self.affine())
            rows_B2CHW = F.conv2d(F.relu(self.shared(labels)), weight, bias, padding=1)
            return self.modulated(x_BCHW, rows_B2CHW.movedim(1, -1).flatten(0, 2), None, slope)
        gamma, beta = self.modulation(labels)
        x_BCHW = self.norm(x_BCHW) * (1 + gamma) + beta
        return x_BCHW if slope == 1 else F.leaky_relu(x_BCHW, slope)

    def modulated(
        self, x_BCHW: Tensor, rows_R2C: Tensor, index_BHW: Tensor | None, slope: float
    ) -> Tensor:
        """Modulate by factors and offsets into which the running statistics are folded.

        Args:
            x_BCHW: Features.
            rows_R2C: Factors and offsets.
            index_BHW: Each pixel's row; None if the rows are those of the pixels, in their order.
            slope: Slope of the leaky ReLU that follows; 1 leaves it out.
        """
        if not isinstance(self.norm, BatchNorm):
            x_BCHW = self.norm(x_BCHW)
        if not self.fused:
            assert index_BHW is not None
            return modulate(x_BCHW, rows_R2C, index_BHW, slope)
        from factory.models.spade import triton_kernel as fused  # Triton comes with torch for GPUs

        return fused.modulate(x_BCHW, rows_R2C, index_BHW, slope)


@dataclass(frozen=True)
class Tables:
    """What a block needs to know of label maps, in place of their one-hot labels.

    Some of the label maps are selected as in a tensor: tables[4:8].

    Attributes:
        index_BHW: Each pixel's row.
        rows: The table of each Spade, (N, 2C).
    """

    index_BHW: Tensor
    rows: dict[Spade, Tensor]

    def __getitem__(self, selection: slice) -> "Tables":
        return Tables(self.index_BHW[selection], self.rows)


class SpadeBlock(nn.Module):
    """A residual block of two SPADE–lrelu–conv3 (figure 4).

    The shortcut is learnt if the numbers of channels differ.
    """

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
        """Compute the tables of the block's Spades."""
        spades = [module for module in self.children() if isinstance(module, Spade)]
        return Tables(near.index_BHW, {spade: spade.table(near) for spade in spades})

    def forward(self, x: Tensor, labels: Tensor | Tables) -> Tensor:
        """Return features (B, outputs, H, W) of features (B, inputs, H, W)."""
        shortcut: Tensor = x if self.spade_s is None else self.conv_s(self.spade_s(x, labels))
        x = self.conv_0(self.spade_0(x, labels, slope=0.2))
        x = self.conv_1(self.spade_1(x, labels, slope=0.2))
        return shortcut + x


class SpadeGenerator(nn.Module):
    """Maps one-hot labels (B, K, H, W) and, with a latent, style codes (B, Z) to images.

    The images (B, I, H, W), I channels, lie in [-1, 1].
    """

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.config = config
        nf = config.width
        if config.latent:
            self.head_latent = nn.Linear(config.latent, 16 * nf)
        self.head_labels = nn.Conv2d(config.labels, 16 * nf, 3, padding=1)
        widths = [(16, 16), (16, 16), (16, 16), (16, 8), (8, 4), (4, 2), (2, 1)]
        self.blocks = nn.ModuleList(SpadeBlock(a * nf, b * nf, config) for a, b in widths)
        self.to_image = nn.Conv2d(nf, config.channels, 3, padding=1)

    def forward(self, labels_BKHW: Tensor, style_BZ: Tensor | None = None) -> Tensor:
        """Draw images of label maps.

        Raises:
            ValueError: H or W is no multiple of STRIDE, or a style code is missing.
        """
        check_sides(labels_BKHW)
        head_BKHW = labels_BKHW[..., ::STRIDE, ::STRIDE]
        return self.draw([head_BKHW, *(labels_BKHW[..., ::d, ::d] for d in DOWNSCALES)], style_BZ)

    @torch.no_grad()
    def prepare(self, maps: LabelMaps) -> list[Tensor | Tables]:
        """Prepare label maps for `draw`, once for any number of styles; without gradients.

        Returns:
            The head's one-hot labels, and for each block tables, if they take less time than
            convolutions, or one-hot labels.

        Raises:
            ValueError: A side is no multiple of STRIDE, or the generator is in training mode, in
                which tables of batch statistics would be out of date.
        """
        check_sides(maps.label_BHW)
        if self.training:
            raise ValueError("tables are for inference: call eval() first")
        prepared: list[Tensor | Tables] = [maps.one_hot(STRIDE)]
        for block, downscale in zip(self.blocks, DOWNSCALES, strict=True):
            assert isinstance(block, SpadeBlock)
            if maps.is_recurrent(downscale):
                prepared.append(block.tables(maps.neighbourhoods(downscale)))
            else:
                prepared.append(maps.one_hot(downscale))
        return prepared

    def draw(self, labels: Sequence[Tensor | Tables], style_BZ: Tensor | None = None) -> Tensor:
        """Draw images of prepared label maps.

        Args:
            labels: What `prepare` returned, or the same rows of each entry.
            style_BZ: Style codes, if the generator has a latent.

        Raises:
            ValueError: A style code is missing.
        """
        head_BKHW, *rest = labels
        assert isinstance(head_BKHW, Tensor)
        x = self.head_labels(head_BKHW)
        if self.config.latent:
            if style_BZ is None:
                raise ValueError("this generator has a style latent: pass style_BZ")
            x = x + self.head_latent(style_BZ)[:, :, None, None]
        before = STRIDE
        for block, downscale, block_labels in zip(self.blocks, DOWNSCALES, rest, strict=True):
            if downscale != before:
                x = F.interpolate(x, scale_factor=2)
            x, before = block(x, block_labels), downscale
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has only 256 greys
            return torch.tanh(self.to_image(F.leaky_relu(x.float(), 0.2)))


class StyleEncoder(nn.Module):
    """The paper's image encoder: maps images (B, I, H, W) to μ and log σ² of their style codes.

    The last features are averaged over space, so images may have any size.
    """

    def __init__(self, latent: int, width: int, channels: int = 1) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            conv = spectral_norm(nn.Conv2d(a, b, 3, stride=2, padding=1))
            layers += [conv, nn.GroupNorm(1, b, affine=False), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.to_mu = nn.Linear(8 * width, latent)
        self.to_logvar = nn.Linear(8 * width, latent)

    def forward(self, image_BIHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return μ and log σ², each (B, Z)."""
        features = self.layers(image_BIHW).mean((2, 3))
        return self.to_mu(features), self.to_logvar(features)


class PatchDiscriminator(nn.Module):
    """The discriminator of one scale.

    It maps one-hot labels and image (B, K + I, H, W) to the features of all layers. The last,
    (B, 1, h, w), are the scores of the patches.
    """

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
        """Return the features of each layer."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators on the image and on images of half the resolution, and so on."""

    def __init__(self, labels: int, width: int = 64, scales: int = 2, channels: int = 1) -> None:
        super().__init__()
        inputs = labels + channels
        self.scales = nn.ModuleList(PatchDiscriminator(inputs, width) for _ in range(scales))

    def forward(self, labels_BKHW: Tensor, image_BIHW: Tensor) -> list[list[Tensor]]:
        """Return the features by scale and layer."""
        x = torch.cat([labels_BKHW, image_BIHW], dim=1)
        outputs = []
        for scale in self.scales:
            outputs.append(scale(x))
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return outputs


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all convolutions and linear layers: Xavier normal with a gain of 0.02.

    Biases are 0. The vectors of spectral norm's power iteration are drawn from the same generator.
    """
    for layer in module.modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if not parametrize.is_parametrized(layer):
            nn.init.xavier_normal_(layer.weight, gain=0.02, generator=generator)
            continue
        spectral: Any = getattr(layer, "parametrizations").weight  # noqa: B009  (mypy takes the attribute for a tensor)
        nn.init.xavier_normal_(spectral.original, gain=0.02, generator=generator)
        matrix = spectral.original.detach().flatten(1)
        u = torch.randn(len(matrix), generator=generator)
        for _ in range(15):
            v = F.normalize(matrix.T @ u, dim=0)
            u = F.normalize(matrix @ v, dim=0)
        spectral[0]._u.copy_(u)
        spectral[0]._v.copy_(v)
