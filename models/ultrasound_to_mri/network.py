"""The networks of ultrasound to MR synthesis (Jiao et al., figure 2).

Forward, encoder A computes the shared latent. From it decoder B reconstructs the ultrasound and
decoder C synthesises the MR, and C's features attend to those of B. Backward, encoder D and decoder
E infer the ultrasound from the MR. After the training only A, B, C and the attention are needed.

Shape suffixes: B batch, C channels, H height, W width, N pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class UltrasoundToMriConfig:
    """What the networks are made of.

    Attributes:
        width: Channels at full size, doubled at each halving.
        depth: Number of halvings.
        most: The largest number of channels.
        attention: Whether the features of the MR attend to those of the ultrasound.
        skips: Whether decoders use the encoder's features at each size.
    """

    width: int = 16
    depth: int = 4
    most: int = 128
    attention: bool = True
    skips: bool = True

    @property
    def widths(self) -> list[int]:
        """Channels of each stage, from full size to the latent."""
        return [min(self.width * 2**i, self.most) for i in range(self.depth + 1)]


def convolution_block(inputs: int, outputs: int) -> nn.Sequential:
    """Build a 3×3 convolution with instance normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(),
    )


class Encoder(nn.Module):
    """Maps an image (B, 1, H, W) to the features of each stage, full size first.

    The last features are the latent y.
    """

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stages = nn.ModuleList(
            convolution_block(a, b) for a, b in zip([1, *widths], widths, strict=False)
        )

    def forward(self, image_B1HW: Tensor) -> list[Tensor]:
        """Return the features of each stage, (B, C, H / 2ⁱ, W / 2ⁱ)."""
        features: list[Tensor] = []
        x = image_B1HW
        for stage in self.stages:
            x = stage(F.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """Maps the features of an encoder to an image (B, 1, H, W) in [-1, 1].

    It does so in two steps: features at half size, where the attention acts, and the image.
    """

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        self.skips = config.skips
        up, merge = [], []
        for out, inside in zip(config.widths[-2::-1], config.widths[:0:-1], strict=True):
            up.append(nn.Conv2d(inside, out, 1))
            merge.append(convolution_block(out * (2 if config.skips else 1), out))
        self.up, self.merge = nn.ModuleList(up), nn.ModuleList(merge)
        self.to_image = nn.Conv2d(config.width, 1, 3, padding=1)

    def features(self, encoded: Sequence[Tensor]) -> Tensor:
        """Return features at half size, (B, C, H/2, W/2)."""
        x = encoded[-1]
        for i in range(len(self.up) - 1):
            x = self.stage(i, x, encoded)
        return x

    def image(self, x_BCHW: Tensor, encoded: Sequence[Tensor]) -> Tensor:
        """Return the image (B, 1, H, W) of features at half size."""
        x = self.stage(len(self.up) - 1, x_BCHW, encoded)
        return torch.tanh(self.to_image(x).float())

    def stage(self, i: int, x_BCHW: Tensor, encoded: Sequence[Tensor]) -> Tensor:
        """Double the size and, with skips, merge the encoder's features of that size."""
        # A transposed convolution would leave a chequered pattern after a short training.
        x = F.interpolate(self.up[i](x_BCHW), scale_factor=2.0)
        if self.skips:
            x = torch.cat([x, encoded[-2 - i]], dim=1)
        merged: Tensor = self.merge[i](x)
        return merged

    def forward(self, encoded: Sequence[Tensor]) -> Tensor:
        """Return the image (B, 1, H, W) of an encoder's features."""
        return self.image(self.features(encoded), encoded)


class CrossModalAttention(nn.Module):
    """f̃_M = η(δ(f_U)ᵀ φ(f_U) g(f_M)) + f_M, where η, δ, φ and g are 1×1 convolutions (section 2.2).

    Without a softmax between the factors the product can be computed from the right, without an
    N × N matrix. It is divided by N, as in non-local networks. η is initialised to 0, so the
    attention starts without effect.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.delta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.eta = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.eta.weight)
        nn.init.zeros_(self.eta.bias)  # type: ignore[arg-type]

    def forward(self, us_BCHW: Tensor, mri_BCHW: Tensor) -> Tensor:
        """Return the features of the MR, guided by those of the ultrasound."""
        delta_BCN, phi_BCN = self.delta(us_BCHW).flatten(2), self.phi(us_BCHW).flatten(2)
        g_BCN = self.g(mri_BCHW).flatten(2)
        pixels = g_BCN.shape[2]
        guided_BCN = (g_BCN @ phi_BCN.mT / pixels) @ delta_BCN
        guidance: Tensor = self.eta(guided_BCN.unflatten(2, mri_BCHW.shape[2:]))
        return guidance + mri_BCHW


class UltrasoundToMri(nn.Module):
    """The forward networks: A, B, C and the attention.

    Sides of images must be multiples of 2 ** depth.
    """

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder_a, self.decoder_b, self.decoder_c = (
            Encoder(config),
            Decoder(config),
            Decoder(config),
        )
        self.attention = CrossModalAttention(config.widths[1]) if config.attention else None

    def forward(self, us_B1HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the synthesised MR and the reconstructed ultrasound (B, 1, H, W), and y."""
        encoded = self.encoder_a(us_B1HW)
        of_us, of_mri = self.decoder_b.features(encoded), self.decoder_c.features(encoded)
        if self.attention is not None:
            of_mri = self.attention(of_us, of_mri)
        us, mri = self.decoder_b.image(of_us, encoded), self.decoder_c.image(of_mri, encoded)
        return mri, us, encoded[-1]


class Backward(nn.Module):
    """The backward networks: D and E."""

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        self.encoder_d, self.decoder_e = Encoder(config), Decoder(config)

    def forward(self, mri_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inferred ultrasound (B, 1, H, W), and the latent y_back."""
        encoded = self.encoder_d(mri_B1HW)
        return self.decoder_e(encoded), encoded[-1]


class Discriminator(nn.Module):
    """Four convolutions that score patches, as logits (section 2.3).

    For images, each of the first three convolutions halves the size; for latents, which are small,
    none does. For images two channels are added that hold the position along rows and columns. The
    paper does not mention them; but a patch of grey brain and one of black surroundings both look
    real anywhere, and without the positions the generator exchanged the two.
    """

    def __init__(self, inputs: int, width: int, *, latent: bool = False) -> None:
        super().__init__()
        kernel, stride = (3, 1) if latent else (4, 2)
        self.latent = latent

        def conv(a: int, b: int, stride: int) -> nn.Module:
            return nn.Conv2d(a, b, kernel, stride, padding=1)

        self.layers = nn.Sequential(
            conv(inputs if latent else inputs + 2, width, stride),
            nn.LeakyReLU(0.2),
            conv(width, 2 * width, stride),
            nn.LeakyReLU(0.2),
            conv(2 * width, 4 * width, stride),
            nn.LeakyReLU(0.2),
            conv(4 * width, 1, 1),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logits of the patches, (B, 1, h, w)."""
        if not self.latent:
            x_BCHW = torch.cat([x_BCHW, position_channels(x_BCHW)], dim=1)
        scores: Tensor = self.layers(x_BCHW).float()
        return scores


def position_channels(x_BCHW: Tensor) -> Tensor:
    """Return the positions along rows and along columns, from -1 to 1: (B, 2, H, W)."""
    batch, _, *sides = x_BCHW.shape
    along = [torch.linspace(-1, 1, n, device=x_BCHW.device) for n in sides]
    grid = torch.stack(torch.meshgrid(*along, indexing="ij")).to(x_BCHW.dtype)
    return grid.expand(batch, -1, -1, -1)
