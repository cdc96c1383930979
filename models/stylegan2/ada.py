"""Adaptive discriminator augmentation.

Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3 and
appendix B.

All images that a discriminator sees, real or generated, pass the same pipeline of 18 transforms,
each of which is applied with probability p. Random parameters are drawn first (`draw_parameters`)
and applied later (`augment`). Label channels, which follow those of the image, undergo the same
blitting, geometry and cutout; colours, filters and noise apply to the image only.

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
"""The 18 transforms by group; rotation counts once, though it is applied before and after."""


@dataclass(frozen=True)
class AdaConfig:
    """Which transforms are used. Their strengths are the paper's.

    Gonçalves et al., for abdominal images, used only blitting and geometry.
    """

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
        """Return the configuration with the transforms of some groups.

        Raises:
            ValueError: There is no such group.
        """
        unknown = sorted(set(names) - set(GROUPS))
        if unknown:
            raise ValueError(f"augmentation {unknown[0]!r}: allowed: {', '.join(GROUPS)}")
        transforms = {
            transform.partition("_before")[0].partition("_after")[0]
            for name in names
            for transform in GROUPS[name]
        }
        return AdaConfig(**{field.name: field.name in transforms for field in fields(AdaConfig)})


class BatchDraws:
    """Random numbers for the images of a batch.

    Attributes:
        batch: Number of images.
        p: Probability of each transform.
        rng: Source of the random numbers.
    """

    def __init__(self, batch: int, p: float, rng: torch.Generator) -> None:
        self.batch, self.p, self.rng = batch, p, rng

    def normal(self, *shape: int) -> Tensor:
        """Draw from N(0, 1), (B, *shape)."""
        return torch.randn(self.batch, *shape, generator=self.rng)

    def uniform(self, low: float, high: float) -> Tensor:
        """Draw from the uniform distribution between two values, (B,)."""
        return low + (high - low) * torch.rand(self.batch, generator=self.rng)

    def where(self, on: bool, value: Tensor, otherwise: float, p: float | None = None) -> Tensor:
        """Return a transform's parameter for the images to which it is applied.

        Numbers are drawn even if the transform is off, so that switching it off does not change the
        numbers of the others.

        Args:
            on: Whether the transform is used.
            value: Its parameter if it is applied, (B,).
            otherwise: Its parameter if it is not.
            p: Its probability; by default that of the batch.
        """
        applies = torch.rand(self.batch, generator=self.rng) < (self.p if p is None else p)
        return torch.where(applies & on, value, torch.full_like(value, otherwise))


@dataclass(frozen=True)
class Parameters:
    """The parameters of the transforms of each image of a batch.

    Attributes:
        matrix: Maps a pixel of the output to one of the input, (B, 3, 3), in half image sides from
            the centre.
        contrast: Factor of the intensities, (B,).
        brightness: Added to the intensities, (B,).
        flip_luma: 1 if the luma is inverted, (B,).
        turn: Rotation of the hue in radians, for three channels, (B,).
        saturate: Factor of the saturation, for three channels, (B,).
        bands: Gains of the four frequency bands, (B, 4).
        noise: Standard deviation of the noise, (B,).
        hole: Centre (x, y) and half side of the cutout, (B, 3), in half image sides.
    """

    matrix: Tensor
    contrast: Tensor
    brightness: Tensor
    flip_luma: Tensor
    turn: Tensor
    saturate: Tensor
    bands: Tensor
    noise: Tensor
    hole: Tensor

    def rows(self, share: slice) -> "Parameters":
        """Return the parameters of some images of the batch."""
        return Parameters(*(getattr(self, f.name)[share] for f in fields(self)))


def draw_parameters(
    config: AdaConfig, batch: int, p: float, size: int, rng: torch.Generator
) -> Parameters:
    """Draw the parameters of a batch.

    Args:
        config: Which transforms are used.
        batch: Number of images.
        p: Probability of each transform.
        size: Side of the images in pixels, for shifts by whole pixels.
        rng: Source of the random numbers.
    """
    draws = BatchDraws(batch, p, rng)
    c = config
    flip = draws.where(c.x_flip, draws.uniform(0, 2).floor(), 0.0)
    quarter = draws.where(c.rotate_90, draws.uniform(0, 4).floor(), 0.0)
    moves = [draws.where(c.shift, draws.uniform(-0.125, 0.125), 0.0) for _ in "xy"]
    pixel_shift = [torch.round(m * size) / size * 2 for m in moves]
    scale = draws.where(c.scale, torch.exp2(draws.normal() * 0.2), 1.0)
    # Two rotations with this probability each, so that p is the probability of at least one.
    one = 1 - math.sqrt(1 - p)
    before = draws.where(c.rotate, draws.uniform(-math.pi, math.pi), 0.0, one)
    stretch = draws.where(c.stretch, torch.exp2(draws.normal() * 0.2), 1.0)
    after = draws.where(c.rotate, draws.uniform(-math.pi, math.pi), 0.0, one)
    shift = [draws.where(c.fractional_shift, draws.normal() * 0.125, 0.0) * 2 for _ in "xy"]
    matrix = (
        scaling_matrix(1 - 2 * flip, torch.ones(batch))
        @ rotation_matrix(quarter * math.pi / 2)
        @ translation_matrix(*pixel_shift)
        @ scaling_matrix(1 / scale, 1 / scale)
        @ rotation_matrix(before)
        @ scaling_matrix(1 / stretch, stretch)
        @ rotation_matrix(after)
        @ translation_matrix(*shift)
    )
    bands = torch.stack(
        [
            draws.where(getattr(c, f"band_{i}"), torch.exp2(draws.normal()), 1.0)
            for i in range(1, 5)
        ],
        1,
    )
    hole = torch.stack([draws.uniform(-1, 1), draws.uniform(-1, 1)], 1)
    return Parameters(
        matrix=matrix,
        brightness=draws.where(c.brightness, draws.normal() * 0.2, 0.0),
        contrast=draws.where(c.contrast, torch.exp2(draws.normal() * 0.5), 1.0),
        flip_luma=draws.where(c.luma_flip, draws.uniform(0, 2).floor(), 0.0),
        turn=draws.where(c.hue, draws.uniform(-math.pi, math.pi), 0.0),
        saturate=draws.where(c.saturation, torch.exp2(draws.normal()), 1.0),
        bands=bands,
        noise=draws.where(c.noise, draws.normal().abs() * 0.1, 0.0),
        hole=torch.cat([hole, draws.where(c.cutout, torch.full((batch,), 0.5), 0.0)[:, None]], 1),
    )


def augment(
    x_BCHW: Tensor, parameters: Parameters, image_channels: int, noise_BCHW: Tensor
) -> Tensor:
    """Apply the transforms. The result can be differentiated, also twice.

    Args:
        x_BCHW: Images, and labels in the channels after theirs.
        parameters: The parameters of each image.
        image_channels: Number of channels of the images.
        noise_BCHW: N(0, 1) for the images' channels.
    """
    q = Parameters(*(getattr(parameters, f.name).to(x_BCHW.device) for f in fields(parameters)))
    moved = ~torch.isclose(q.matrix, torch.eye(3, device=q.matrix.device), atol=1e-6).all((1, 2))
    if bool(moved.any()):
        x_BCHW = warp(x_BCHW, q.matrix)
    image, label = x_BCHW[:, :image_channels], x_BCHW[:, image_channels:]
    if image_channels:
        image = change_colours(image, q)
        if bool((q.bands != 1).any()):
            image = band_gains(image, q.bands)
        image = image + noise_BCHW * per_image(q.noise)
    augmented = torch.cat([image, label], 1)
    return augmented * cutout_mask(augmented, q.hole)


def change_colours(image_BCHW: Tensor, q: Parameters) -> Tensor:
    """Change contrast, brightness and luma and, with three channels, hue and saturation."""
    image = image_BCHW * per_image(q.contrast) + per_image(q.brightness)
    channels = image.shape[1]
    if channels != 3:
        return image * per_image(1 - 2 * q.flip_luma)
    luma = image.mean(1, keepdim=True)
    chroma = image - luma
    # Rotate about the grey axis; the cross product with it rotates the chroma by 90°.
    r, g, b = chroma.unbind(1)
    quarter = torch.stack([b - g, r - b, g - r], 1) / math.sqrt(3)
    turned = chroma * per_image(q.turn.cos()) + quarter * per_image(q.turn.sin())
    return luma * per_image(1 - 2 * q.flip_luma) + turned * per_image(q.saturate)


def cutout_mask(x_BCHW: Tensor, hole_B3: Tensor) -> Tensor:
    """Return a mask (B, 1, H, W) that is 0 inside the squares that are cut out, and 1 elsewhere."""
    height, width = x_BCHW.shape[-2:]
    ys = (torch.arange(height, device=x_BCHW.device) + 0.5) * 2 / height - 1
    xs = (torch.arange(width, device=x_BCHW.device) + 0.5) * 2 / width - 1
    across = (xs[None, None, :] - hole_B3[:, 0, None, None]).abs() < hole_B3[:, 2, None, None]
    down = (ys[None, :, None] - hole_B3[:, 1, None, None]).abs() < hole_B3[:, 2, None, None]
    return (~(across & down))[:, None].to(x_BCHW.dtype)


def per_image(values_B: Tensor) -> Tensor:
    """Reshape a value for each image to (B, 1, 1, 1)."""
    return values_B[:, None, None, None]


def scaling_matrix(x: Tensor, y: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that scale x and y."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return stack_matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotation_matrix(angle: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that rotate by an angle in radians."""
    c, s = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    return stack_matrix([[c, -s, zero], [s, c, zero], [zero, zero, one]])


def translation_matrix(x: Tensor, y: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that shift x and y."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return stack_matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def stack_matrix(rows: list[list[Tensor]]) -> Tensor:
    """Stack elements (B,) into matrices (B, rows, columns)."""
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


class AdaptiveP:
    """The probability p, adapted so that r_t = E[sign D(real)] approaches a target (section 3.1).

    Attributes:
        p: The probability of each transform.
        overfitting: The last r_t.
    """

    def __init__(self, target: float = 0.6, images: float = 500_000, interval: int = 4) -> None:
        """Start with p = 0.

        Args:
            target: Target of r_t.
            images: Number of images in which p could rise from 0 to 1.
            interval: Number of batches between two changes of p.
        """
        self.target, self.images, self.interval = target, images, interval
        self.p, self.signs, self.count, self.overfitting = 0.0, 0.0, 0, 0.0

    def update(self, mean_sign: float, batch: int) -> None:
        """Take account of a batch, and change p after every `interval` batches.

        Args:
            mean_sign: Mean sign of D(real) over the global batch.
            batch: Number of its images.
        """
        self.signs += mean_sign
        self.count += 1
        if self.count < self.interval:
            return
        self.overfitting = self.signs / self.count
        step = batch * self.count / self.images
        self.p = min(1.0, max(0.0, self.p + math.copysign(step, self.overfitting - self.target)))
        self.signs, self.count = 0.0, 0

    def state(self) -> dict[str, float]:
        """Return the state for a checkpoint."""
        return {"p": self.p, "signs": self.signs, "count": self.count, "r_t": self.overfitting}

    def load(self, state: dict[str, float]) -> None:
        """Restore what `state` returned."""
        self.p, self.signs = state["p"], state["signs"]
        self.count, self.overfitting = int(state["count"]), state["r_t"]
