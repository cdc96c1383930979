"""The networks of ultrasound to MR synthesis (Jiao et al., figure 2).

Forward, encoder A makes the shared latent; from it decoder B draws the ultrasound again and
decoder C the MR, whose features attend to those of B. Backward, encoder D and decoder E draw the
ultrasound from the MR. Only A, B, C and the attention are needed once trained.

Shape suffixes: B batch, C channels, H height, W width, N pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class UltrasoundToMriConfig:
    """width: channels at full size, doubled at each of `depth` halvings up to most. attention,
    skips: whether there are any."""

    width: int = 16
    depth: int = 4
    most: int = 128
    attention: bool = True
    skips: bool = True

    @property
    def widths(self) -> list[int]:
        """Channels by stage, from full size to the latent."""
        return [min(self.width * 2**i, self.most) for i in range(self.depth + 1)]


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(),
    )


class Encoder(nn.Module):
    """Image (B, 1, H, W) to features by stage, full size first; the last is the latent y."""

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stages = nn.ModuleList(block(a, b) for a, b in zip([1, *widths], widths, strict=False))

    def forward(self, image_B1HW: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        x = image_B1HW
        for stage in self.stages:
            x = stage(F.max_pool2d(x, 2) if features else x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """Latent and an encoder's features to an image (B, 1, H, W) in [-1, 1], in two steps: features
    at half size, where the attention acts, and the image."""

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        self.skips = config.skips
        up, merge = [], []
        for out, inside in zip(config.widths[-2::-1], config.widths[:0:-1], strict=True):
            up.append(nn.Conv2d(inside, out, 1))
            merge.append(block(out * (2 if config.skips else 1), out))
        self.up, self.merge = nn.ModuleList(up), nn.ModuleList(merge)
        self.to_image = nn.Conv2d(config.width, 1, 3, padding=1)

    def features(self, encoded: Sequence[Tensor]) -> Tensor:
        """(B, C, H/2, W/2)."""
        x = encoded[-1]
        for i in range(len(self.up) - 1):
            x = self.stage(i, x, encoded)
        return x

    def image(self, x_BCHW: Tensor, encoded: Sequence[Tensor]) -> Tensor:
        x = self.stage(len(self.up) - 1, x_BCHW, encoded)
        return torch.tanh(self.to_image(x).float())

    def stage(self, i: int, x_BCHW: Tensor, encoded: Sequence[Tensor]) -> Tensor:
        # Not a transposed convolution, whose chequered pattern a short training leaves behind.
        x = F.interpolate(self.up[i](x_BCHW), scale_factor=2.0)
        if self.skips:
            x = torch.cat([x, encoded[-2 - i]], dim=1)
        return self.merge[i](x)

    def forward(self, encoded: Sequence[Tensor]) -> Tensor:
        return self.image(self.features(encoded), encoded)


class CrossModalAttention(nn.Module):
    """f̃_M = η(δ(f_U)ᵀ φ(f_U) g(f_M)) + f_M, each letter a 1×1 convolution (section 2.2).

    There is no softmax between the factors, so the product is taken from the right: no N × N
    matrix is made. It is divided by N, as non-local networks do; η begins at 0, and so does the
    guidance.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.delta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.eta = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.eta.weight)
        nn.init.zeros_(self.eta.bias)  # type: ignore[arg-type]

    def forward(self, us_BCHW: Tensor, mri_BCHW: Tensor) -> Tensor:
        delta_BCN, phi_BCN = self.delta(us_BCHW).flatten(2), self.phi(us_BCHW).flatten(2)
        g_BCN = self.g(mri_BCHW).flatten(2)
        pixels = g_BCN.shape[2]
        guided_BCN = (g_BCN @ phi_BCN.mT / pixels) @ delta_BCN
        return self.eta(guided_BCN.unflatten(2, mri_BCHW.shape[2:])) + mri_BCHW


class UltrasoundToMri(nn.Module):
    """A, B, C and the attention. Sides of images are multiples of 2 ** depth."""

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
        """The synthesised MR, the reconstructed ultrasound (B, 1, H, W), and the latent y."""
        encoded = self.encoder_a(us_B1HW)
        of_us, of_mri = self.decoder_b.features(encoded), self.decoder_c.features(encoded)
        if self.attention is not None:
            of_mri = self.attention(of_us, of_mri)
        us, mri = self.decoder_b.image(of_us, encoded), self.decoder_c.image(of_mri, encoded)
        return mri, us, encoded[-1]


class Backward(nn.Module):
    """D and E."""

    def __init__(self, config: UltrasoundToMriConfig) -> None:
        super().__init__()
        self.encoder_d, self.decoder_e = Encoder(config), Decoder(config)

    def forward(self, mri_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """The back-inferred ultrasound (B, 1, H, W), and the latent y_back."""
        encoded = self.encoder_d(mri_B1HW)
        return self.decoder_e(encoded), encoded[-1]


class Discriminator(nn.Module):
    """Four convolutions to scores of patches, as logits (section 2.3). Of images each of the first
    three halves the size; of latents, which are small, none does.

    Of images it is told where a patch lies, along rows and along columns. The paper does not say
    so; but a patch inside a grey brain and one of black surroundings are both real wherever they
    lie, and without it the two came out exchanged.
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
        if not self.latent:
            x_BCHW = torch.cat([x_BCHW, places(x_BCHW)], dim=1)
        scores: Tensor = self.layers(x_BCHW).float()
        return scores


def places(x_BCHW: Tensor) -> Tensor:
    """(B, 2, H, W): the place along rows and along columns, -1 to 1."""
    batch, _, *sides = x_BCHW.shape
    along = [torch.linspace(-1, 1, n, device=x_BCHW.device) for n in sides]
    grid = torch.stack(torch.meshgrid(*along, indexing="ij")).to(x_BCHW.dtype)
    return grid.expand(batch, -1, -1, -1)
