"""Losses of the adversarial families.

The output of a multi-scale discriminator is a list with an entry for each scale: the list of the
features of its layers, of which the last are the scores of the patches.
"""

import torch.nn.functional as F
from torch import Tensor

Features = list[list[Tensor]]
"""A discriminator's features by scale and layer."""


def hinge_discriminator(real: Features, fake: Features) -> Tensor:
    """Return E[max(0, 1 − D(real))] + E[max(0, 1 + D(fake))], averaged over scales."""
    terms = [
        F.relu(1 - r[-1]).mean() + F.relu(1 + f[-1]).mean() for r, f in zip(real, fake, strict=True)
    ]
    return sum(terms[1:], terms[0]) / len(terms)


def hinge_generator(fake: Features) -> Tensor:
    """Return −E[D(fake)], averaged over scales."""
    terms = [-f[-1].mean() for f in fake]
    return sum(terms[1:], terms[0]) / len(terms)


def feature_matching(real: Features, fake: Features) -> Tensor:
    """Return L1 between features of real and fake, summed over layers, averaged over scales."""
    terms = [
        F.l1_loss(f, r.detach())
        for real_scale, fake_scale in zip(real, fake, strict=True)
        for r, f in zip(real_scale[:-1], fake_scale[:-1], strict=True)
    ]
    return sum(terms[1:], terms[0]) / len(real)


def kl_divergence(mu_BZ: Tensor, logvar_BZ: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, 1)), summed over the latent and the batch."""
    return -0.5 * (1 + logvar_BZ - mu_BZ.square() - logvar_BZ.exp()).sum()


def log_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return −E[log D(real)] − E[log(1 − D(fake))], which a discriminator minimises."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def log_generator(fake: Tensor) -> Tensor:
    """Return −E[log D(fake)], which a generator minimises.

    It has the same fixed point as E[log(1 − D(fake))], but its slope does not vanish where the
    discriminator is sure (Goodfellow et al., section 3).
    """
    return F.softplus(-fake).mean()
