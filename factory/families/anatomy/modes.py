"""The leading directions of the deformations between people.

The covariance of a velocity between two nodes is that of the people's velocities, damped with the
distance of the nodes, since a few people say little of how far-away places move together; plus
Gaussian bumps, since they have not shown every possible deformation. Its leading eigenvectors are
the modes; each is scaled by the square root of its eigenvalue, so that its coefficient is N(0, 1).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from factory.families.anatomy.recipe import Deformations
from factory.models.anatomy import NodeLattice, sample_field


def mirror_velocity(velocity: Tensor) -> Tensor:
    """Return a velocity [3, z, y, x] with left and right exchanged."""
    flipped = velocity.flip(-1).clone()
    flipped[2] *= -1
    return flipped


def compute_modes(
    velocities: Tensor,
    lattice: NodeLattice,
    mask: Tensor,
    section: Deformations,
    target: NodeLattice,
) -> Tensor:
    """Return the modes.

    Args:
        velocities: Of the people, without their mean: [n, 3, z, y, x], on `lattice`.
        lattice: The lattice of the velocities.
        mask: Where people's tissue may be, bool [z, y, x], on `target`.
        section: The number of modes, and the covariance.
        target: The lattice of the modes.

    Returns:
        [count, 3, z, y, x] on `target`, mm for one standard deviation; smooth beyond the mask.
    """
    places = target.points()[mask]
    samples = list(velocities)
    if section.mirror:
        samples += [mirror_velocity(v) for v in velocities]
    covariance = _covariance(samples, lattice, places, section)
    values, vectors = torch.linalg.eigh(covariance)
    count = min(section.count, len(values))
    leading = vectors.flip(1)[:, :count] * values.flip(0)[:count].clamp_min(0).sqrt()
    modes = torch.zeros(count, 3, *mask.shape)
    modes[:, :, mask] = leading.T.reshape(count, 3, -1)
    return _extend_beyond(modes, mask)


def _covariance(
    samples: Sequence[Tensor], lattice: NodeLattice, places: Tensor, section: Deformations
) -> Tensor:
    """Return the covariance [3 n, 3 n] of a velocity at n places."""
    squared = torch.cdist(places, places).square()
    covariance = torch.zeros(3 * len(places), 3 * len(places))
    for bump in section.bumps:
        kernel = bump.sd_mm**2 * torch.exp(-squared / (2 * bump.width_mm**2))
        covariance += torch.block_diag(kernel, kernel, kernel)
    if samples:
        rows = torch.stack([sample_field(v, places, lattice).T.reshape(-1) for v in samples])
        damping = torch.exp(-squared / (2 * section.local_mm**2)).repeat(3, 3)
        covariance += rows.T @ rows / len(rows) * damping
    return covariance


def _extend_beyond(modes: Tensor, mask: Tensor) -> Tensor:
    """Continue modes smoothly from a mask to the whole lattice."""
    known_nodes = mask.float()[None, None]
    for _ in range(max(mask.shape)):
        weight = F.avg_pool3d(F.pad(known_nodes, (1,) * 6), 3, 1)
        spread = F.avg_pool3d(F.pad(modes * known_nodes, (1,) * 6), 3, 1)
        modes = torch.where(known_nodes > 0, modes, spread / weight.clamp_min(1e-6))
        known_nodes = (weight > 0).float()
    return modes
