"""What each method of ultrasound to MR draws, and what its losses compare.

A method is a function of the networks and a batch. It says which images or latents must come
alike in L1, and which must be mistaken for real ones by which discriminator; the training loop
makes both players' losses of that, the same way for all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.models.ultrasound_to_mri.network import (
    Backward,
    Discriminator,
    UltrasoundToMri,
    UltrasoundToMriConfig,
)

Networks = dict[str, nn.Module]
Pairs = dict[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Comparisons:
    """alike: (made, wanted) by the name of an L1 loss. adversarial: (real, fake) by the name of a
    discriminator; where that is switched off, the pair is let be."""

    alike: Pairs
    adversarial: Pairs


def ours(nets: Networks, us: Tensor, mri: Tensor) -> Comparisons:
    """Figure 2 and equations 1–9. Of the latents, that of A is the one to be reached by D's."""
    drawn, us_again, y = nets["generator"](us)
    us_back, y_back = nets["backward"](drawn)
    alike = {"reconstruction": (us_again, us), "projection": (us_back, us)}
    return Comparisons(
        alike,
        {
            "appearance": (mri, drawn),
            "structural": (nets["edges"](mri), nets["edges"](drawn)),
            "backward": (us, us_back),
            "bi_latent": (y.float(), y_back.float()),
        },
    )


def autoencoder(nets: Networks, us: Tensor, mri: Tensor) -> Comparisons:
    """A and C learn to draw MR again; ultrasound is shown to them only afterwards."""
    drawn, _, _ = nets["generator"](mri)
    return Comparisons({"reconstruction": (drawn, mri)}, {})


def gan(nets: Networks, us: Tensor, mri: Tensor) -> Comparisons:
    """A and C against D_app alone."""
    drawn, _, _ = nets["generator"](us)
    return Comparisons({}, {"appearance": (mri, drawn)})


def cyclegan(nets: Networks, us: Tensor, mri: Tensor) -> Comparisons:
    """A and C one way, D and E the other, both cycles closed (Zhu et al. 2017), with the
    logarithmic loss of the other methods."""
    drawn, _, _ = nets["generator"](us)
    us_back, _ = nets["backward"](drawn)
    us_drawn, _ = nets["backward"](mri)
    mri_back, _, _ = nets["generator"](us_drawn)
    return Comparisons(
        {"projection": (us_back, us), "mri_cycle": (mri_back, mri)},
        {"appearance": (mri, drawn), "backward": (us, us_drawn)},
    )


METHODS: dict[str, Callable[[Networks, Tensor, Tensor], Comparisons]] = {
    "ours": ours,
    "autoencoder": autoencoder,
    "gan": gan,
    "cyclegan": cyclegan,
}

DISCRIMINATORS = {
    "ours": ("appearance", "structural", "backward", "bi_latent"),
    "autoencoder": (),
    "gan": ("appearance",),
    "cyclegan": ("appearance", "backward"),
}


def network_config(recipe: UltrasoundToMriTraining) -> UltrasoundToMriConfig:
    """The baselines know no attention, and the autoencoder no skips: it would copy its input."""
    asked = recipe.model.model_dump()
    if recipe.method != "ours":
        asked["attention"] = False
    if recipe.method == "autoencoder":
        asked["skips"] = False
    return UltrasoundToMriConfig(**asked)


def build_networks(recipe: UltrasoundToMriTraining) -> Networks:
    """`generator` (A, B, C), and where the method goes back, `backward` (D, E): the same initial
    weights on every worker, whatever the state of torch's own generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        config = network_config(recipe)
        nets: Networks = {"generator": UltrasoundToMri(config)}
        if recipe.method in ("ours", "cyclegan"):
            nets["backward"] = Backward(config)
        return nets


def build_discriminators(recipe: UltrasoundToMriTraining) -> Networks:
    """The discriminators of the method, less those that the recipe switches off."""
    off = {name for name in ("structural", "bi_latent") if not getattr(recipe.loss, name)}
    latent = network_config(recipe).widths[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + 1)
        return {
            name: Discriminator(latent, recipe.discriminator, latent=True)
            if name == "bi_latent"
            else Discriminator(1, recipe.discriminator)
            for name in DISCRIMINATORS[recipe.method]
            if name not in off
        }
