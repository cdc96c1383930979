"""The losses of SPADE's generator and discriminator (Park et al. 2019, section 3)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from factory.families.spade.recipe import SpadeTraining
from factory.models.features.vgg import VggFeatures, perceptual, weights_file
from factory.models.losses import (
    Features,
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    kl_divergence,
)
from factory.training.run import Run


class GeneratorStep(nn.Module):
    """Encoder and generator as one module, so that workers average their gradients at once."""

    def __init__(self, generator: nn.Module, encoder: nn.Module | None) -> None:
        super().__init__()
        self.generator, self.encoder = generator, encoder

    def forward(
        self, labels_BKHW: Tensor, real_BIHW: Tensor, noise_BZ: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Draw images of label maps, in the style of real images if there is an encoder.

        Args:
            labels_BKHW: One-hot label maps.
            real_BIHW: Real images of the same slices.
            noise_BZ: Noise of the reparametrisation; None without an encoder.

        Returns:
            The images (B, I, H, W), and μ and log σ² of their style codes (B, Z), or None and None.
        """
        if self.encoder is None or noise_BZ is None:
            return self.generator(labels_BKHW), None, None
        mu_BZ, logvar_BZ = self.encoder(real_BIHW)
        style_BZ = mu_BZ + noise_BZ * torch.exp(0.5 * logvar_BZ)
        return self.generator(labels_BKHW, style_BZ), mu_BZ, logvar_BZ


class SpadeLosses:
    """Compute the losses of one step, as the recipe weights them."""

    def __init__(self, recipe: SpadeTraining, run: Run) -> None:
        self.weights, self.world = recipe.loss, run.world
        self.vgg = VggFeatures(weights_file()).to(run.device) if recipe.loss.perceptual else None

    def of_generator(
        self,
        discriminator: nn.Module,
        labels_BKHW: Tensor,
        real_BIHW: Tensor,
        fake_BIHW: Tensor,
        style: Sequence[Tensor | None],
    ) -> dict[str, Tensor]:
        """Return what the generator minimises, as the terms of a sum.

        It fools the discriminator, matches its features and stays near the real slice.

        Args:
            discriminator: The discriminator, whose weights are frozen.
            labels_BKHW: One-hot label maps.
            real_BIHW: Real images of the same slices.
            fake_BIHW: The generator's images.
            style: μ and log σ² of the style codes; None and None without an encoder.
        """
        weights = self.weights
        of_fake, of_real = compared_features(discriminator, labels_BKHW, fake_BIHW, real_BIHW)
        losses = {
            "adversarial": hinge_generator(of_fake),
            "features": weights.feature_matching * feature_matching(of_real, of_fake),
        }
        if weights.reconstruction:
            distance = (fake_BIHW.float() - real_BIHW).abs().mean()
            losses["reconstruction"] = weights.reconstruction * distance
        if self.vgg is not None:
            losses["perceptual"] = weights.perceptual * perceptual(
                self.vgg, grey_images(fake_BIHW), grey_images(real_BIHW)
            )
        mu_BZ, logvar_BZ = style
        if mu_BZ is not None and logvar_BZ is not None:
            # The KL divergence is a sum over the global batch; DDP averages, hence the factor.
            losses["kl"] = weights.kl * kl_divergence(mu_BZ, logvar_BZ) * self.world
        return losses

    def of_discriminator(
        self, discriminator: nn.Module, labels_BKHW: Tensor, real_BIHW: Tensor, fake_BIHW: Tensor
    ) -> dict[str, Tensor]:
        """Return the hinge loss of the discriminator; no gradient reaches the generator."""
        fake_BIHW = fake_BIHW.detach()
        of_fake, of_real = compared_features(discriminator, labels_BKHW, fake_BIHW, real_BIHW)
        return {"discriminator": hinge_discriminator(of_real, of_fake)}


def compared_features(
    discriminator: nn.Module, labels_BKHW: Tensor, fake_BIHW: Tensor, real_BIHW: Tensor
) -> tuple[Features, Features]:
    """Return the discriminator's features of fake and of real images, judged as one batch."""
    features = discriminator(
        torch.cat([labels_BKHW, labels_BKHW]), torch.cat([fake_BIHW, real_BIHW])
    )
    size = len(real_BIHW)
    fake = [[f[:size] for f in scale] for scale in features]
    real = [[f[size:] for f in scale] for scale in features]
    return fake, real


def grey_images(image_BIHW: Tensor) -> Tensor:
    """Return each channel as an image of its own, (B · I, 1, H, W)."""
    return image_BIHW.flatten(0, 1)[:, None]


def descend(optimiser: torch.optim.Optimizer, losses: Mapping[str, Tensor], run: Run) -> None:
    """Take one step of an optimiser down the sum of losses."""
    optimiser.zero_grad()
    sum(losses.values(), torch.zeros((), device=run.device)).backward()
    optimiser.step()
