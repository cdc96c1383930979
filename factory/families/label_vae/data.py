"""Label maps, slices or volumes, as a seeded stream of training batches.

The batch of a step is a function of (seed, step) alone, as in factory.training.slices.
"""

import numpy as np

from factory.training.augmentation import transform_in_plane
from factory.training.recipe import Augment


class MapSampler:
    """Draws global batches of augmented label maps, each of which is equally likely.

    Attributes:
        maps: Label maps uint8 (N, *shape).
        augment: The random transform of each map.
        seed: Seed of the stream.
    """

    def __init__(self, label_NS: np.ndarray, augment: Augment, seed: int) -> None:
        self.maps, self.augment, self.seed = label_NS, augment, seed

    def __len__(self) -> int:
        """Return the number of label maps."""
        return len(self.maps)

    def batch(self, step: int, size: int) -> np.ndarray:
        """Draw the global batch of a step, uint8 (size, *shape)."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        indices = rng.integers(len(self.maps), size=size)
        return np.stack([transform_in_plane(self.maps[i], self.augment, rng) for i in indices])
