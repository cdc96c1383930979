"""The augmentation that every row gets: turn, scale, gamma, brightness and noise of a patch."""

import torch
from torch.nn import functional as F


def augment_patch(
    image: torch.Tensor, label: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change patches as a usual training does.

    Args:
        image: [b, 1, (z), y, x], about 0 to 1.
        label: [b, (z), y, x], whole numbers.
        generator: The source of all choices.

    Returns:
        The image and the label map, turned by up to 15° about z and scaled by 0.85 to 1.15; the
        image with another gamma, contrast, brightness and noise.
    """
    count, dimensions = len(image), image.ndim - 2

    def choose(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    angle, scale = torch.deg2rad(choose(-15, 15)), choose(0.85, 1.15)
    matrix = torch.zeros(count, dimensions, dimensions + 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = torch.cos(angle) * scale  # x and y come first
    matrix[:, 0, 1], matrix[:, 1, 0] = -torch.sin(angle) * scale, torch.sin(angle) * scale
    if dimensions == 3:
        matrix[:, 2, 2] = scale
    grid = F.affine_grid(matrix, list(image.shape), align_corners=False)
    image = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    turned = F.grid_sample(label[:, None].float(), grid, "nearest", align_corners=False)

    one = (-1,) + (1,) * (image.ndim - 1)
    image = image.clamp(0, 1.5) ** choose(0.7, 1.4).view(one)
    image = image * choose(0.8, 1.2).view(one) + choose(-0.1, 0.1).view(one)
    noise = torch.randn(image.shape, generator=generator)
    return image + choose(0, 0.1).view(one) * noise, turned[:, 0].round().long()
