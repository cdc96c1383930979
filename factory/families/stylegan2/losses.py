"""The losses of StyleGAN2-ADA, and the random numbers that they need.

Shape suffixes: B this worker's batch, Z latent, L layers, C channels, H, W pixels.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.steps import mean_over_workers
from factory.models.stylegan2.ada import AdaConfig, augment, draw_parameters
from factory.models.stylegan2.network import Discriminator, Generator, StyleGanConfig, mix_styles
from factory.seeding import derive_seed
from factory.training.run import Run

PATH_DECAY = 0.01
"""How fast the running mean of the path lengths follows a new one."""


class StepRandomness:
    """This worker's rows of a step's random numbers.

    A random number is a function of (seed, step, purpose), so that trainings with another number of
    workers, and resumed ones, draw the same numbers.
    """

    def __init__(self, seed: int, step: int, batch: int, run: Run) -> None:
        """Note what the numbers depend on.

        Args:
            seed: The seed of the training.
            step: Index of the step.
            batch: Size of the global batch.
            run: The worker's rank and device.
        """
        self.seed, self.step, self.batch = seed, step, batch
        self.share, self.device = run.share(batch), run.device

    def rng(self, purpose: str) -> torch.Generator:
        """Return a generator for a purpose."""
        return torch.Generator().manual_seed(derive_seed(self.seed, self.step, purpose))

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Draw from N(0, 1), (B, *shape)."""
        batch = torch.randn(self.batch, *shape, generator=self.rng(purpose))
        return batch[self.share].to(self.device)

    def uniform(self, purpose: str) -> Tensor:
        """Draw from the uniform distribution on [0, 1), (B,)."""
        batch = torch.rand(self.batch, generator=self.rng(purpose))
        return batch[self.share].to(self.device)

    def noise(self, generator: Generator, purpose: str) -> list[Tensor]:
        """Draw the pixel noise of each layer of a generator."""
        layers = generator.noise(self.batch, self.rng(f"{purpose} pixels"))
        return [layer[self.share].to(self.device) for layer in layers]


class StyleGanLosses:
    """The losses of a training, one step at a time.

    Attributes:
        path_mean: The running mean of the path lengths.
        p: The probability of each augmentation in the current step.
        randomness: The random numbers of the current step.
        half_randomness: Random numbers for half a batch, on which path lengths are measured.
    """

    def __init__(
        self,
        recipe: StyleGanTraining,
        config: StyleGanConfig,
        generator: Generator,
        discriminator: Discriminator,
        run: Run,
    ) -> None:
        """Keep the networks.

        Args:
            recipe: The training recipe.
            config: The configuration of the networks.
            generator: The generator that is trained.
            discriminator: The discriminator that is trained.
            run: The worker's rank and device.
        """
        self.recipe, self.config, self.run = recipe, config, run
        self.generator, self.discriminator = generator, discriminator
        self.transforms = augmentation_config(recipe)
        self.autocast = run.autocast(recipe.mixed_precision)
        self.path_mean = torch.zeros((), device=run.device)
        self.start_step(0, 0.0)

    def start_step(self, step: int, p: float) -> None:
        """Set the random numbers of a step, and the probability of each augmentation."""
        seed, batch = self.recipe.seed, self.recipe.batch
        self.p = p
        self.randomness = StepRandomness(seed, step, batch, self.run)
        self.half_randomness = StepRandomness(seed, step, batch // 2, self.run)

    def generator_loss(self, labelled_B111: Tensor) -> Tensor:
        """Return the non-saturating loss −log σ(D(G(z)))."""
        with self.autocast:
            fake_BCHW = self.generate("g", labelled_B111, track=True)
            score_B = self.discriminator(self.augment_batch(fake_BCHW, "g"))
            return F.softplus(-score_B.float()).mean()

    def discriminator_loss(self, real_BCHW: Tensor, labelled_B111: Tensor) -> tuple[Tensor, Tensor]:
        """Return the discriminator's loss, and the mean sign of D(real), which controls p."""
        with torch.no_grad(), self.autocast:
            fake_BCHW = self.generate("d", labelled_B111)
        with self.autocast:
            fake_B = self.discriminator(self.augment_batch(fake_BCHW, "fake")).float()
            real_B = self.discriminator(self.augment_batch(real_BCHW, "real")).float()
        loss = F.softplus(fake_B).mean() + F.softplus(-real_B).mean()
        return loss, real_B.detach().sign().mean()

    def r1_penalty(self, real_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean |∇ D(real)|² (Mescheder et al. 2018), computed in float32.

        The second value is 0, but depends on all parameters, also on those that the gradient does
        not depend on. With it added, each of them has a gradient on every worker.
        """
        image_BCHW = real_BCHW.detach().requires_grad_(True)
        score_B = self.discriminator(self.augment_batch(image_BCHW, "r1"))
        (gradient,) = torch.autograd.grad(score_B.sum(), image_BCHW, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean(), 0 * score_B.sum()

    def path_length_penalty(self) -> Tensor:
        """Return the mean squared deviation of the path lengths from their running mean."""
        lengths_B = self.path_lengths()
        mean = mean_over_workers(lengths_B.detach().mean())
        self.path_mean.lerp_(mean, PATH_DECAY)
        return (lengths_B - self.path_mean).square().mean()

    def path_lengths(self) -> Tensor:
        """Return |Jᵀ y| for y ~ N(0, 1), where J is the Jacobian of images by styles (section 3.2).

        They are measured on this worker's share of half a batch, (B / 2,).
        """
        generator, randomness = self.generator, self.half_randomness
        w_BZ = generator.mapping(randomness.normal("path z", self.config.latent))
        w_BLZ = generator.styles(w_BZ)
        image_BCHW = generator(w_BLZ, randomness.noise(generator, "path"))
        y = randomness.normal("path y", *image_BCHW.shape[1:]) / image_BCHW.shape[-1]
        (gradient,) = torch.autograd.grad((image_BCHW * y).sum(), w_BLZ, create_graph=True)
        lengths_B: Tensor = gradient.square().sum(2).mean(1).sqrt()
        return lengths_B

    def generate(self, purpose: str, labelled_B111: Tensor, track: bool = False) -> Tensor:
        """Generate a batch, some of its images with mixed styles.

        Args:
            purpose: The purpose of its random numbers.
            labelled_B111: 1 where the label channels are compared, see `channel_mask`.
            track: Let the mean style follow this batch.

        Returns:
            (B, C, H, W).
        """
        generator, randomness = self.generator, self.randomness
        latent, layers = self.config.latent, self.config.layers
        w_BZ = generator.mapping(randomness.normal(f"{purpose} z", latent))
        w_BLZ = generator.styles(w_BZ)
        if track:
            generator.mapping.track(mean_over_workers(w_BZ.detach().float().mean(0)))
        if probability := self.recipe.loss.mixing:
            other_BZ = generator.mapping(randomness.normal(f"{purpose} other z", latent))
            cuts_B = 1 + (randomness.uniform(f"{purpose} cut") * (layers - 1)).long()
            is_mixed_B = randomness.uniform(f"{purpose} mix") < probability
            cuts_B = torch.where(is_mixed_B, cuts_B, layers)
            w_BLZ = mix_styles(w_BLZ, generator.styles(other_BZ), cuts_B)
        fake_BCHW: Tensor = generator(w_BLZ, randomness.noise(generator, purpose))
        return fake_BCHW * channel_mask(labelled_B111, self.config)

    def augment_batch(self, x_BCHW: Tensor, purpose: str) -> Tensor:
        """Augment a batch for the discriminator, real and fake alike, in float32."""
        randomness, channels = self.randomness, self.config.image_channels
        with torch.autocast(randomness.device.type, enabled=False):
            q = draw_parameters(
                self.transforms,
                randomness.batch,
                self.p,
                self.config.resolution,
                randomness.rng(purpose),
            )
            noise = randomness.normal(f"{purpose} noise", channels, *x_BCHW.shape[2:])
            augmented = augment(x_BCHW.float(), q.rows(randomness.share), channels, noise)
            return augmented.contiguous(memory_format=torch.channels_last)


def channel_mask(labelled_B111: Tensor, config: StyleGanConfig) -> Tensor:
    """Return a mask (B, C, 1, 1) of the channels that the discriminator compares.

    It is 1 for the channels of the image. For the label channels it is 1 if the real slice of that
    row has a label map. Otherwise the real and the fake label channels are both blank.
    """
    ones = labelled_B111.new_ones(len(labelled_B111), config.image_channels, 1, 1)
    return torch.cat([ones, labelled_B111.expand(-1, config.labels, -1, -1)], 1)


def augmentation_config(recipe: StyleGanTraining) -> AdaConfig:
    """Return the transforms of the recipe's groups, without those that it excludes."""
    groups = AdaConfig.of_groups(recipe.augmentation.groups)
    return replace(groups, **dict.fromkeys(recipe.augmentation.without, False))
