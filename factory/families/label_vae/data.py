"""Label maps as a seeded stream of training batches, slices or volumes.

What a step sees is a function of (seed, step) alone, as in factory.training.slices.
"""

import numpy as np

from factory.training.augmentation import transform_in_plane
from factory.training.recipe import Augment


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
        return np.stack([transform_in_plane(self.maps[i], self.augment, rng) for i in chosen])
