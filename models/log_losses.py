"""The logarithmic adversarial loss, on logits (Goodfellow et al. 2014; Jiao et al.).

Equations 3, 4, 7 and 8 of the latter lack the logarithm of their first term, E[log D(real)], and
equation 4 names D_app where it means D_stru; both are put right here.
"""

import torch.nn.functional as F
from torch import Tensor


def log_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−E[log D(real)] − E[log(1 − D(fake))], which a discriminator minimises."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def log_generator(fake: Tensor) -> Tensor:
    """−E[log D(fake)]: what a generator minimises in place of E[log(1 − D(fake))], which has the
    same fixed point but no slope where the discriminator is sure (Goodfellow et al., section 3)."""
    return F.softplus(-fake).mean()
