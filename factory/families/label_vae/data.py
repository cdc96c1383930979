"""Label maps as a seeded stream of training batches, slices or volumes.

What a step sees is a function of (seed, step) alone, as in factory.training.slices.
"""

import numpy as np
from scipy import ndimage

from factory.families.label_vae.recipe import Augment


class MapSampler:
    """Draws global batches from label maps, each as likely as every other, and augments them."""

    def __init__(self, label_NS: np.ndarray, augment: Augment, seed: int) -> None:
        self.maps, self.augment, self.seed = label_NS, augment, seed

    def __len__(self) -> int:
        return len(self.maps)

    def batch(self, step: int, size: int) -> np.ndarray:
        """The global batch of a step: uint8 (B, *shape)."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        chosen = rng.integers(len(self.maps), size=size)
        return np.stack([moved(self.maps[i], self.augment, rng) for i in chosen])


def moved(
    label: np.ndarray,
    augment: Augment,
    rng: np.random.Generator,
    order: int = 0,
    outside: float = 0.0,
) -> np.ndarray:
    """A map turned, zoomed and shifted in its planes (the last two axes), by nearest neighbour;
    an image with order 1, linearly, `outside` being what lies beyond its edge."""
    turn, zoom, down, right = rng.uniform(-1, 1, 4)
    angle = np.radians(turn * augment.rotate_degrees)
    scale = (1 + augment.zoom) ** zoom
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    middle = (np.array(label.shape[-2:]) - 1) / 2
    matrix = np.eye(label.ndim)
    matrix[-2:, -2:] = [[cos, -sin], [sin, cos]]
    offset = np.zeros(label.ndim)
    shift = np.array([down, right]) * augment.shift_voxels
    offset[-2:] = middle - matrix[-2:, -2:] @ (middle + shift)
    made: np.ndarray = ndimage.affine_transform(label, matrix, offset, order=order, cval=outside)
    return made
