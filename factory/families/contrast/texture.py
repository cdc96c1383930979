"""Textures of mean 0 and standard deviation 1: random fields, or those of a real image."""

import numpy as np
import torch

from factory.imaging.types import Spacing

MOST_DEVIATIONS = 4.0
"""How many standard deviations a voxel of a real image's texture lies from 0 at most."""

REACH_VOXELS = 2
"""How far from a border voxel the texture of its label is looked for."""

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


def texture_of_image(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return how a real image deviates from the mean of each label, in standard deviations.

    At the borders of labels, where the image mixes two tissues in an order of brightness that
    another contrast may not have, the deviation is the mean of those nearby and further inside.

    Args:
        image: [z, y, x].
        label: Of the same shape, any whole numbers.

    Returns:
        float32 [z, y, x], of mean 0 and standard deviation 1 inside each label; 0 where a label
        has no inside within REACH_VOXELS.
    """
    inside = ~_borders(label)
    values = label[inside]
    count = np.maximum(np.bincount(values, minlength=int(label.max()) + 1), 1)
    brightness = image[inside].astype(np.float64)
    mean = np.bincount(values, brightness, len(count)) / count
    variance = np.bincount(values, (brightness - mean[values]) ** 2, len(count)) / count
    sd = np.sqrt(np.maximum(variance, 1e-12))
    texture = np.zeros(label.shape, np.float32)
    deviations = (brightness - mean[values]) / sd[values]
    texture[inside] = np.clip(deviations, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    _fill_borders(texture, label, inside)
    return texture


def _fill_borders(texture: np.ndarray, label: np.ndarray, inside: np.ndarray) -> None:
    """Give each border voxel the mean of the inside voxels of its label nearby, in place."""
    along = np.arange(-REACH_VOXELS, REACH_VOXELS + 1)
    steps = np.stack(np.meshgrid(along, along, along, indexing="ij")).reshape(3, -1).T
    steps = steps[(steps**2).sum(1) <= REACH_VOXELS**2]
    places = np.nonzero(~inside)
    limits = np.array(label.shape)[:, None] - 1
    total, count = np.zeros((2, len(places[0])), np.float32)
    for step in steps:
        beside = tuple(np.clip(np.stack(places) + step[:, None], 0, limits))
        fits = inside[beside] & (label[beside] == label[places])
        total += np.where(fits, texture[beside], 0)
        count += fits
    texture[places] = total / np.maximum(count, 1)


def _borders(label: np.ndarray) -> np.ndarray:
    """Return the voxels that have a neighbour of another label along an axis: bool [z, y, x]."""
    borders = np.zeros(label.shape, bool)
    for axis in range(label.ndim):
        ahead, behind = ([slice(None)] * label.ndim for _ in range(2))
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        differ = label[tuple(ahead)] != label[tuple(behind)]
        borders[tuple(ahead)] |= differ
        borders[tuple(behind)] |= differ
    return borders


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
