"""Adaptive discriminator augmentation (Karras et al. 2020, "Training Generative Adversarial
Networks with Limited Data", section 3 and appendix B).

Every image that a discriminator sees, real or generated, passes the same pipe of 18 transforms,
each of which strikes with probability p. Draws are kept apart from what is done with them.
Label channels, which follow the image's, move with them under blitting and geometry, and are
blanked with them by cutout; colours, filters and noise are the image's alone.

Shape suffixes: B batch, C channels, H, W pixels. Images lie in [-1, 1].
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from factory.models.stylegan2.resampling import band_gains, warp

GROUPS = {
    "blit": ("x_flip", "rotate_90", "shift"),
    "geometry": ("scale", "rotate_before", "stretch", "rotate_after", "fractional_shift"),
    "colour": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    "filter": ("band_1", "band_2", "band_3", "band_4"),
    "corruption": ("noise", "cutout"),
}
"""The 18, by group; rotation counts once, before and after being one transform in two strokes."""


@dataclass(frozen=True)
class AdaConfig:
    """Which transforms there are; strengths are the paper's. The abdominal work kept blitting and
    geometry alone (Gonçalves et al.)."""

    x_flip: bool = True
    rotate_90: bool = True
    shift: bool = True
    scale: bool = True
    rotate: bool = True
    stretch: bool = True
    fractional_shift: bool = True
    brightness: bool = True
    contrast: bool = True
    luma_flip: bool = True
    hue: bool = True
    saturation: bool = True
    band_1: bool = True
    band_2: bool = True
    band_3: bool = True
    band_4: bool = True
    noise: bool = True
    cutout: bool = True

    @staticmethod
    def of_groups(names: tuple[str, ...]) -> "AdaConfig":
        """Those of some groups. Raises ValueError for a group that is none."""
        unknown = sorted(set(names) - set(GROUPS))
        if unknown:
            raise ValueError(f"augmentation {unknown[0]!r}: allowed: {', '.join(GROUPS)}")
        chosen = {t.partition("_before")[0].partition("_after")[0]
                  for name in names for t in GROUPS[name]}  # fmt: skip
        return AdaConfig(**{field.name: field.name in chosen for field in fields(AdaConfig)})


class Draws:
    """Numbers for a batch: N(0, 1), uniform, and whether a transform strikes."""

    def __init__(self, batch: int, p: float, rng: torch.Generator) -> None:
        self.batch, self.p, self.rng = batch, p, rng

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.batch, *shape, generator=self.rng)

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.batch, generator=self.rng)

    def where(self, on: bool, value: Tensor, otherwise: float, p: float | None = None) -> Tensor:
        """value where the transform strikes. The numbers are drawn even where it is off, so that
        switching one transform leaves the others' draws alone."""
        strikes = torch.rand(self.batch, generator=self.rng) < (self.p if p is None else p)
        return torch.where(strikes & on, value, torch.full_like(value, otherwise))


@dataclass(frozen=True)
class Parameters:
    """What is done to each image of a batch. matrix: (B, 3, 3), where a pixel of the output
    comes from, in half image sides about the middle. The colour of an image: `contrast` times it,
    plus `brightness`; `turn` and `saturate` (for three channels): (B,). bands: gains (B, 4).
    noise: σ (B,). hole: middle (x, y) and half side of the cutout (B, 3)."""

    matrix: Tensor
    contrast: Tensor
    brightness: Tensor
    flip_luma: Tensor
    turn: Tensor
    saturate: Tensor
    bands: Tensor
    noise: Tensor
    hole: Tensor

    def part(self, share: slice) -> "Parameters":
        """Those of some images of the batch."""
        return Parameters(*(getattr(self, f.name)[share] for f in fields(self)))


def drawn(config: AdaConfig, batch: int, p: float, size: int, rng: torch.Generator) -> Parameters:
    """Parameters for a batch, from one generator. size: pixels a side, for whole-pixel shifts."""
    of = Draws(batch, p, rng)
    c = config
    flip = of.where(c.x_flip, of.uniform(0, 2).floor(), 0.0)
    quarter = of.where(c.rotate_90, of.uniform(0, 4).floor(), 0.0)
    moves = [of.where(c.shift, of.uniform(-0.125, 0.125), 0.0) for _ in "xy"]
    whole = [torch.round(m * size) / size * 2 for m in moves]
    scale = of.where(c.scale, torch.exp2(of.normal() * 0.2), 1.0)
    # So that p is the chance that either of the two strokes turns the image.
    one = 1 - math.sqrt(1 - p)
    before = of.where(c.rotate, of.uniform(-math.pi, math.pi), 0.0, one)
    stretch = of.where(c.stretch, torch.exp2(of.normal() * 0.2), 1.0)
    after = of.where(c.rotate, of.uniform(-math.pi, math.pi), 0.0, one)
    shift = [of.where(c.fractional_shift, of.normal() * 0.125, 0.0) * 2 for _ in "xy"]
    matrix = (
        scaling(1 - 2 * flip, torch.ones(batch))
        @ rotation(quarter * math.pi / 2)
        @ translation(*whole)
        @ scaling(1 / scale, 1 / scale)
        @ rotation(before)
        @ scaling(1 / stretch, stretch)
        @ rotation(after)
        @ translation(*shift)
    )
    bands = torch.stack(
        [of.where(getattr(c, f"band_{i}"), torch.exp2(of.normal()), 1.0) for i in range(1, 5)],
        1,
    )
    hole = torch.stack([of.uniform(-1, 1), of.uniform(-1, 1)], 1)
    return Parameters(
        matrix=matrix,
        brightness=of.where(c.brightness, of.normal() * 0.2, 0.0),
        contrast=of.where(c.contrast, torch.exp2(of.normal() * 0.5), 1.0),
        flip_luma=of.where(c.luma_flip, of.uniform(0, 2).floor(), 0.0),
        turn=of.where(c.hue, of.uniform(-math.pi, math.pi), 0.0),
        saturate=of.where(c.saturation, torch.exp2(of.normal()), 1.0),
        bands=bands,
        noise=of.where(c.noise, of.normal().abs() * 0.1, 0.0),
        hole=torch.cat([hole, of.where(c.cutout, torch.full((batch,), 0.5), 0.0)[:, None]], 1),
    )


def augment(
    x_BCHW: Tensor, parameters: Parameters, image_channels: int, noise_BCHW: Tensor
) -> Tensor:
    """The pipe. noise_BCHW: N(0, 1) for the image's channels. Differentiable, also twice."""
    q = Parameters(*(getattr(parameters, f.name).to(x_BCHW.device) for f in fields(parameters)))
    moved = ~torch.isclose(q.matrix, torch.eye(3, device=q.matrix.device), atol=1e-6).all((1, 2))
    if bool(moved.any()):
        x_BCHW = warp(x_BCHW, q.matrix)
    image, label = x_BCHW[:, :image_channels], x_BCHW[:, image_channels:]
    if image_channels:
        image = colours(image, q)
        if bool((q.bands != 1).any()):
            image = band_gains(image, q.bands)
        image = image + noise_BCHW * column(q.noise)
    whole = torch.cat([image, label], 1)
    return whole * outside_hole(whole, q.hole)


def colours(image_BCHW: Tensor, q: Parameters) -> Tensor:
    """Contrast and brightness; the luma's flip; and, of three channels, hue and saturation."""
    image = image_BCHW * column(q.contrast) + column(q.brightness)
    channels = image.shape[1]
    if channels != 3:
        return image * column(1 - 2 * q.flip_luma)
    luma = image.mean(1, keepdim=True)
    chroma = image - luma
    # A turn about the grey axis: the cross product with it is a quarter turn of the chroma.
    r, g, b = chroma.unbind(1)
    quarter = torch.stack([b - g, r - b, g - r], 1) / math.sqrt(3)
    turned = chroma * column(q.turn.cos()) + quarter * column(q.turn.sin())
    return luma * column(1 - 2 * q.flip_luma) + turned * column(q.saturate)


def outside_hole(x_BCHW: Tensor, hole_B3: Tensor) -> Tensor:
    """1 outside the squares that are cut out, 0 inside: (B, 1, H, W)."""
    height, width = x_BCHW.shape[-2:]
    ys = (torch.arange(height, device=x_BCHW.device) + 0.5) * 2 / height - 1
    xs = (torch.arange(width, device=x_BCHW.device) + 0.5) * 2 / width - 1
    across = (xs[None, None, :] - hole_B3[:, 0, None, None]).abs() < hole_B3[:, 2, None, None]
    down = (ys[None, :, None] - hole_B3[:, 1, None, None]).abs() < hole_B3[:, 2, None, None]
    return (~(across & down))[:, None].to(x_BCHW.dtype)


def column(values_B: Tensor) -> Tensor:
    return values_B[:, None, None, None]


def scaling(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotation(angle: Tensor) -> Tensor:
    c, s = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    return matrix([[c, -s, zero], [s, c, zero], [zero, zero, one]])


def translation(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


class AdaptiveP:
    """p, steered so that r_t = E[sign D(real)] comes to its target (section 3.1).

    images: over how many p would go from 0 to 1. Its state is (p, the signs since the last step).
    """

    def __init__(self, target: float = 0.6, images: float = 500_000, every: int = 4) -> None:
        self.target, self.images, self.every = target, images, every
        self.p, self.signs, self.count, self.overfitting = 0.0, 0.0, 0, 0.0

    def see(self, mean_sign: float, batch: int) -> None:
        """The mean sign of D(real) over a global batch."""
        self.signs += mean_sign
        self.count += 1
        if self.count < self.every:
            return
        self.overfitting = self.signs / self.count
        step = batch * self.count / self.images
        self.p = min(1.0, max(0.0, self.p + math.copysign(step, self.overfitting - self.target)))
        self.signs, self.count = 0.0, 0

    def state(self) -> dict[str, float]:
        return {"p": self.p, "signs": self.signs, "count": self.count, "r_t": self.overfitting}

    def load(self, state: dict[str, float]) -> None:
        self.p, self.signs = state["p"], state["signs"]
        self.count, self.overfitting = int(state["count"]), state["r_t"]
