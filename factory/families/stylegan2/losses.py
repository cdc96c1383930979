"""What StyleGAN2-ADA minimises, and the random numbers that go into it.

Shape suffixes: B this worker's batch, Z latent, L layers, C channels, H, W pixels.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from factory.families.stylegan2.recipe import StyleGanTraining
from factory.models.stylegan2.ada import AdaConfig, augment, draw_parameters
from factory.models.stylegan2.network import StyleGanConfig, mix_styles
from factory.seeding import derive_seed
from factory.training.run import Run


class StepRandomness:
    """Random numbers of a step by purpose: this worker's rows of a global batch."""

    def __init__(self, seed: int, step: int, batch: int, run: Run) -> None:
        self.seed, self.step, self.batch = seed, step, batch
        self.share, self.device = run.share(batch), run.device

    def rng(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, self.step, purpose))

    def normal(self, purpose: str, *shape: int) -> Tensor:
        whole = torch.randn(self.batch, *shape, generator=self.rng(purpose))
        return whole[self.share].to(self.device)

    def uniform(self, purpose: str) -> Tensor:
        whole = torch.rand(self.batch, generator=self.rng(purpose))
        return whole[self.share].to(self.device)

    def noise(self, generator: Any, purpose: str) -> list[Tensor]:
        whole = generator.noise(self.batch, self.rng(f"{purpose} pixels"))
        return [layer[self.share].to(self.device) for layer in whole]


class Losses:
    """The losses of one step. p: the chance of every augmentation."""

    def __init__(
        self, recipe: StyleGanTraining, config: StyleGanConfig, generator: Any,
        discriminator: nn.Module, run: Run, step: int, p: float,
    ) -> None:  # fmt: skip
        self.recipe, self.config, self.p = recipe, config, p
        self.generator, self.discriminator = generator, discriminator
        self.transforms = augmentation_config(recipe)
        self.draws = StepRandomness(recipe.seed, step, recipe.batch, run)
        self.half = StepRandomness(recipe.seed, step, recipe.batch // 2, run)
        self.autocast = torch.autocast(
            run.device.type, torch.bfloat16, enabled=recipe.mixed_precision, cache_enabled=False
        )

    def generator_loss(self, known_B111: Tensor) -> Tensor:
        """Non-saturating: −log σ(D(G(z)))."""
        with self.autocast:
            fake_BCHW = self.made("g", known_B111, track=True)
            score_B = self.discriminator(self.seen(fake_BCHW, "g"))
            return F.softplus(-score_B.float()).mean()

    def discriminator_loss(self, real_BCHW: Tensor, known_B111: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the mean sign of D(real), by which p is steered."""
        with torch.no_grad(), self.autocast:
            fake_BCHW = self.made("d", known_B111)
        with self.autocast:
            of_fake = self.discriminator(self.seen(fake_BCHW, "fake")).float()
            of_real = self.discriminator(self.seen(real_BCHW, "real")).float()
        loss = F.softplus(of_fake).mean() + F.softplus(-of_real).mean()
        return loss, of_real.detach().sign().mean()

    def r1(self, real_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """|∇ D(real)|² (Mescheder et al. 2018), in float32; and a zero that reaches the
        parameters that the gradient does not, so that every one of them has one."""
        image = real_BCHW.detach().requires_grad_(True)
        score_B = self.discriminator(self.seen(image, "r1"))
        (gradient,) = torch.autograd.grad(score_B.sum(), image, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean(), 0 * score_B.sum()

    def path_lengths(self) -> Tensor:
        """How far an image moves with its style, |Jᵀ y| for y ~ N(0, 1) (section 3.2), for this
        worker's part of half a batch: (B / 2,)."""
        generator, draws = self.generator, self.half
        w_BZ = generator.mapping(draws.normal("path z", self.config.latent))
        w_BLZ = generator.styles(w_BZ)
        image = generator(w_BLZ, draws.noise(generator, "path"))
        y = draws.normal("path y", *image.shape[1:]) / image.shape[-1]
        (gradient,) = torch.autograd.grad((image * y).sum(), w_BLZ, create_graph=True)
        return gradient.square().sum(2).mean(1).sqrt()

    def made(self, purpose: str, known_B111: Tensor, track: bool = False) -> Tensor:
        """Generated channels, some of them crossed over. track: let the mean style follow."""
        generator, draws = self.generator, self.draws
        latent, layers = self.config.latent, self.config.layers
        w_BZ = generator.mapping(draws.normal(f"{purpose} z", latent))
        w_BLZ = generator.styles(w_BZ)
        if track:
            generator.mapping.track(mean_over_workers(w_BZ.detach().float().mean(0)))
        if chance := self.recipe.loss.mixing:
            other_BZ = generator.mapping(draws.normal(f"{purpose} other z", latent))
            cuts = 1 + (draws.uniform(f"{purpose} cut") * (layers - 1)).long()
            cuts = torch.where(draws.uniform(f"{purpose} mix") < chance, cuts, layers)
            w_BLZ = mix_styles(w_BLZ, generator.styles(other_BZ), cuts)
        fake_BCHW: Tensor = generator(w_BLZ, draws.noise(generator, purpose))
        return fake_BCHW * channel_mask(known_B111, self.config)

    def seen(self, x_BCHW: Tensor, what: str) -> Tensor:
        """What the discriminator is shown: the same pipe for real and made, in float32."""
        draws, channels = self.draws, self.config.image_channels
        with torch.autocast(draws.device.type, enabled=False):
            rng = draws.rng(what)
            q = draw_parameters(self.transforms, draws.batch, self.p, self.config.resolution, rng)
            noise = draws.normal(f"{what} noise", channels, *x_BCHW.shape[2:])
            shown = augment(x_BCHW.float(), q.rows(draws.share), channels, noise)
            return shown.contiguous(memory_format=torch.channels_last)


def channel_mask(known_B111: Tensor, config: StyleGanConfig) -> Tensor:
    """1 for image channels, and for label channels where the real slice beside it had labels:
    where it had none, both sides show the discriminator blank ones."""
    ones = known_B111.new_ones(len(known_B111), config.image_channels, 1, 1)
    return torch.cat([ones, known_B111.expand(-1, config.labels, -1, -1)], 1)


def augmentation_config(recipe: StyleGanTraining) -> AdaConfig:
    chosen = AdaConfig.of_groups(recipe.augmentation.groups)
    return replace(chosen, **dict.fromkeys(recipe.augmentation.without, False))


def mean_over_workers(value: Tensor) -> Tensor:
    if dist.is_initialized() and dist.get_world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value
