"""Paint a label map with a contrast: no network, only means, spreads, texture and filters."""

from dataclasses import dataclass

import numpy as np
import torch

from factory.families.contrast.filters import average_partial_volume, smooth_volume, thicken_slices
from factory.families.contrast.presets import DrawnContrast
from factory.families.contrast.texture import correlated_noise
from factory.imaging.types import Spacing

PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""The axis (of z, y, x) through the slices of each plane."""

BRIGHT_QUANTILE = 0.995
"""The quantile of the labelled voxels that has brightness 1."""


@dataclass(frozen=True)
class Look:
    """What is not the contrast of labels: texture, borders and sharpness of an image.

    Attributes:
        texture_scales_mm: Correlation lengths of the texture inside labels; 0 is independent noise.
        partial_volume: Whether voxels at borders mix the tissues of both sides.
        blur_mm: Full width at half maximum of the blur.
        slice_mm: Thickness of the acquired slices; 0 leaves the voxels as they are.
        plane: The plane of the slices: "axial", "coronal" or "sagittal".
        gamma: Brightness, from 0 to 1, is raised to this power.
    """

    texture_scales_mm: tuple[float, ...] = (0.0, 4.0)
    partial_volume: bool = True
    blur_mm: float = 0.0
    slice_mm: float = 0.0
    plane: str = "axial"
    gamma: float = 1.0


def paint_labels(
    label: np.ndarray,
    spacing: Spacing,
    contrast: DrawnContrast,
    look: Look,
    generator: np.random.Generator,
    device: torch.device,
    own_texture: np.ndarray | None = None,
) -> np.ndarray:
    """Paint one channel.

    Args:
        label: Values of the contrast's table [z, y, x].
        spacing: mm (z, y, x).
        contrast: The mean and the spread of each label.
        look: Texture, borders and sharpness.
        generator: Gives the randomness of the texture.
        device: Where it is computed.
        own_texture: The texture of a real image [z, y, x] instead of noise.

    Returns:
        float32 [z, y, x], in the units of the contrast.
    """
    values = torch.from_numpy(label.astype(np.int32)).to(device).flatten()
    means, sds = (
        torch.from_numpy(table.astype(np.float32)).to(device)
        for table in (contrast.means, contrast.sds)
    )
    mean = means.index_select(0, values).reshape(label.shape)
    sd = sds.index_select(0, values).reshape(label.shape)
    del values
    if look.partial_volume:
        mean, sd = average_partial_volume(mean), average_partial_volume(sd)
    if own_texture is not None:
        texture = torch.from_numpy(own_texture).to(device)
    else:
        z, y, x = label.shape
        texture = correlated_noise((z, y, x), spacing, look.texture_scales_mm, generator, device)
    image = mean.addcmul_(sd, texture)
    if look.slice_mm:
        image = thicken_slices(image, spacing, look.slice_mm, PLANES[look.plane])
    image = smooth_volume(image, spacing, look.blur_mm)
    painted: np.ndarray = image.cpu().numpy()
    return painted


def scale_to_unit(
    image: np.ndarray, label: np.ndarray, gamma: float, is_scaled: bool = False
) -> np.ndarray:
    """Return an image that reaches brightness 1, raised to a power.

    Brightness 1 is that of the labelled voxels, unless a drawn background is brighter.

    Args:
        image: float32 [z, y, x]; values below 0 become 0.
        label: Of the same shape; 0 is background.
        gamma: The power.
        is_scaled: Whether brightness 1 is right already.

    Returns:
        float32, in units of the 99.5th percentile of the labelled voxels, or of the background's.
    """
    scaled: np.ndarray = np.maximum(image, 0)
    if not is_scaled:
        labelled = label > 0
        bright = max(_bright_value(image[labelled]), _bright_value(image[~labelled]), 1e-6)
        scaled /= np.float32(bright)
    if gamma != 1:
        scaled **= np.float32(gamma)
    return scaled


def _bright_value(values: np.ndarray) -> float:
    """Return the brightness that all but the brightest values stay below; 0 of none."""
    if not values.size:
        return 0.0
    rank = min(values.size - 1, int(BRIGHT_QUANTILE * values.size))
    return float(np.partition(values, rank)[rank])
