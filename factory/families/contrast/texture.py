"""Textures: random fields of mean 0 and standard deviation 1, correlated at several scales."""

import numpy as np
import torch

from factory.imaging.types import Spacing

NODES_PER_SCALE = 2
"""How many random numbers there are along the length of a scale."""


def correlated_noise(
    shape: tuple[int, int, int],
    spacing: Spacing,
    scales_mm: tuple[float, ...],
    generator: np.random.Generator,
    device: torch.device,
) -> torch.Tensor:
    """Return a random field, the sum of fields of equal variance, one for each scale.

    The random numbers come from NumPy, so that they are the same on every device.

    Args:
        shape: Voxels (z, y, x).
        spacing: mm (z, y, x).
        scales_mm: Correlation lengths; 0 stands for noise that is independent in every voxel.
        generator: Gives the randomness.
        device: Where the field is made.

    Returns:
        float32 [z, y, x], of mean 0 and standard deviation 1.
    """
    field = torch.zeros(shape, device=device)
    for scale_mm in scales_mm:
        lattice = _lattice_shape(shape, spacing, scale_mm)
        numbers = generator.standard_normal(lattice, dtype=np.float32)
        layer = torch.from_numpy(numbers).to(device)
        if lattice != shape:
            layer = torch.nn.functional.interpolate(
                layer[None, None], shape, mode="trilinear", align_corners=True
            )[0, 0]
            layer = (layer - layer.mean()) / layer.std().clamp_min(1e-6)
        field += layer
    return field.div_(max(1, len(scales_mm)) ** 0.5)


def _lattice_shape(
    shape: tuple[int, int, int], spacing: Spacing, scale_mm: float
) -> tuple[int, int, int]:
    """Return the numbers (z, y, x) of a field that is interpolated to a shape."""
    pairs = zip(shape, spacing, strict=True)
    z, y, x = (
        n if scale_mm < NODES_PER_SCALE * step else _nodes(n * step / scale_mm, n)
        for n, step in pairs
    )
    return z, y, x


def _nodes(lengths: float, limit: int) -> int:
    """Return the nodes along an axis of so many correlation lengths, at least 2 and no 1 of 1."""
    return min(limit, max(2, round(NODES_PER_SCALE * lengths) + 1))
