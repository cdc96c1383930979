"""The methods of ultrasound to MR: what each of them draws, and what its losses compare.

A method is a function of the networks and a batch. It returns pairs of images or latents that must
agree in L1, and pairs that a discriminator must not be able to tell apart. The losses are made of
these pairs in the same way for all methods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.models.losses import log_discriminator, log_generator
from factory.models.ultrasound_to_mri.network import (
    Backward,
    Discriminator,
    UltrasoundToMri,
    UltrasoundToMriConfig,
)

Networks = dict[str, nn.Module]
"""Networks by name."""

Losses = dict[str, Tensor]
"""Losses by name."""

Pairs = dict[str, tuple[Tensor, Tensor]]
"""Pairs of tensors by the name of their loss."""


@dataclass(frozen=True)
class Comparisons:
    """The pairs of tensors that the losses of a batch compare.

    Attributes:
        l1: (output, target) by the name of an L1 loss.
        adversarial: (real, fake) by the name of a discriminator. The pair of a discriminator that
            the recipe switches off is ignored.
    """

    l1: Pairs
    adversarial: Pairs


def ours(networks: Networks, us_B1HW: Tensor, mri_B1HW: Tensor) -> Comparisons:
    """Apply the method of the paper (figure 2, equations 1–9).

    For the discriminator of the latents, those of encoder A are real, and those of D are fake.
    """
    painted, us_again, y = networks["generator"](us_B1HW)
    us_back, y_back = networks["backward"](painted)
    edges = networks["edges"]
    return Comparisons(
        {"reconstruction": (us_again, us_B1HW), "projection": (us_back, us_B1HW)},
        {
            "appearance": (mri_B1HW, painted),
            "structural": (edges(mri_B1HW), edges(painted)),
            "backward": (us_B1HW, us_back),
            "bi_latent": (y.float(), y_back.float()),
        },
    )


def autoencoder(networks: Networks, us_B1HW: Tensor, mri_B1HW: Tensor) -> Comparisons:
    """Train A and C to reproduce MR; they see ultrasound only after the training."""
    painted, _, _ = networks["generator"](mri_B1HW)
    return Comparisons({"reconstruction": (painted, mri_B1HW)}, {})


def gan(networks: Networks, us_B1HW: Tensor, mri_B1HW: Tensor) -> Comparisons:
    """Train A and C against the discriminator of the appearance alone."""
    painted, _, _ = networks["generator"](us_B1HW)
    return Comparisons({}, {"appearance": (mri_B1HW, painted)})


def cyclegan(networks: Networks, us_B1HW: Tensor, mri_B1HW: Tensor) -> Comparisons:
    """Apply CycleGAN (Zhu et al. 2017): A and C in one direction, D and E in the other.

    The adversarial loss is logarithmic, as in the other methods.
    """
    painted, _, _ = networks["generator"](us_B1HW)
    us_back, _ = networks["backward"](painted)
    us_painted, _ = networks["backward"](mri_B1HW)
    mri_back, _, _ = networks["generator"](us_painted)
    return Comparisons(
        {"projection": (us_back, us_B1HW), "mri_cycle": (mri_back, mri_B1HW)},
        {"appearance": (mri_B1HW, painted), "backward": (us_B1HW, us_painted)},
    )


METHODS: dict[str, Callable[[Networks, Tensor, Tensor], Comparisons]] = {
    "ours": ours,
    "autoencoder": autoencoder,
    "gan": gan,
    "cyclegan": cyclegan,
}
"""The methods by their names in recipes."""

DISCRIMINATORS = {
    "ours": ("appearance", "structural", "backward", "bi_latent"),
    "autoencoder": (),
    "gan": ("appearance",),
    "cyclegan": ("appearance", "backward"),
}
"""The discriminators of each method."""


def generator_losses(
    comparisons: Comparisons, discriminators: Mapping[str, nn.Module], l1_weight: float
) -> Losses:
    """Return the losses that the generators minimise, by name."""
    losses = {
        name: l1_weight * (output - target).abs().mean()
        for name, (output, target) in comparisons.l1.items()
    }
    for name, discriminator in discriminators.items():
        _, fake = comparisons.adversarial[name]
        losses[name] = log_generator(discriminator(fake))
    return losses


def discriminator_losses(
    comparisons: Comparisons, discriminators: Mapping[str, nn.Module]
) -> Losses:
    """Return the losses that the discriminators minimise, by name.

    They compare the same pairs as the generators' losses, detached from the generators.
    """
    losses = {}
    for name, discriminator in discriminators.items():
        real, fake = comparisons.adversarial[name]
        losses[f"judge_{name}"] = log_discriminator(
            discriminator(real.detach()), discriminator(fake.detach())
        )
    return losses


def network_config(recipe: UltrasoundToMriTraining) -> UltrasoundToMriConfig:
    """Return the configuration of the networks.

    The baselines have no attention. The autoencoder has no skips, with which it would copy its
    input.
    """
    options = recipe.model.model_dump()
    if recipe.method != "ours":
        options["attention"] = False
    if recipe.method == "autoencoder":
        options["skips"] = False
    return UltrasoundToMriConfig(**options)


def build_networks(recipe: UltrasoundToMriTraining) -> Networks:
    """Return the networks that generate images, with the same initial weights on every worker.

    Returns:
        "generator" (A, B and C) and, if the method paints ultrasound from MR, "backward" (D and E).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        config = network_config(recipe)
        networks: Networks = {"generator": UltrasoundToMri(config)}
        if recipe.method in ("ours", "cyclegan"):
            networks["backward"] = Backward(config)
        return networks


def build_discriminators(recipe: UltrasoundToMriTraining) -> Networks:
    """Return the discriminators of the method, without those that the recipe switches off."""
    disabled = {name for name in ("structural", "bi_latent") if not getattr(recipe.loss, name)}
    latent = network_config(recipe).widths[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + 1)
        return {
            name: Discriminator(latent, recipe.discriminator, latent=True)
            if name == "bi_latent"
            else Discriminator(1, recipe.discriminator)
            for name in DISCRIMINATORS[recipe.method]
            if name not in disabled
        }
