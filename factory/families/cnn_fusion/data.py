"""Pairs of painted and real volumes as a seeded stream of training patches.

The batch of a step is a function of (seed, step) alone, as in factory.training.slices.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from factory.imaging.orientations import AXES


@dataclass(frozen=True)
class PaintedPair:
    """The painted volumes of a subject and its real image.

    Attributes:
        volumes: float16 [orientation, z, y, x].
        image: float16 [z, y, x].
        inside: Brain mask, bool [z, y, x].
    """

    volumes: np.ndarray
    image: np.ndarray
    inside: np.ndarray


class VolumePatchSampler:
    """Draws global batches of cubic patches that contain tissue, each equally likely."""

    def __init__(
        self,
        pairs: list[PaintedPair],
        patch: int,
        turned: bool,
        seed: int,
        least_error: float = 1.0,
    ) -> None:
        """List the patches of the pairs; neighbours are half a patch apart.

        Args:
            pairs: Volumes and images.
            patch: Side of the patches in voxels.
            turned: Whether patches are flipped and their axes permuted at random; see `turn`.
            seed: Seed of the stream.
            least_error: The error of the volumes is scaled by a random factor from here to 1, so
                that the fusion suits networks that err less than those that painted the volumes.
        """
        self.pairs, self.patch, self.turned, self.seed = pairs, patch, turned, seed
        self.least_error = least_error
        self.positions = [
            (i, box)
            for i, pair in enumerate(pairs)
            for box in patch_boxes(pair.inside.shape, patch)
            if pair.inside[box].any()
        ]

    def __len__(self) -> int:
        """Return the number of patches with tissue: one epoch."""
        return len(self.positions)

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the global batch of a step.

        Returns:
            Volumes float32 [size, orientation, z, y, x]; images float32 and brain masks bool
            [size, z, y, x].
        """
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        pairs = [self.cut(int(i)) for i in rng.integers(len(self.positions), size=size)]
        if self.turned:
            pairs = [turn(pair, rng) for pair in pairs]
        volumes, images, inside = (
            np.stack([getattr(pair, name) for pair in pairs])
            for name in ("volumes", "image", "inside")
        )
        scale = rng.uniform(self.least_error, 1, (size, 1, 1, 1, 1)).astype(np.float32)
        real = images.astype(np.float32)
        error = volumes.astype(np.float32) - real[:, None]
        return real[:, None] + scale * error, real, inside

    def cut(self, index: int) -> PaintedPair:
        """Cut the patch of an index from its pair."""
        pair_index, box = self.positions[index]
        pair = self.pairs[pair_index]
        return PaintedPair(pair.volumes[:, *box], pair.image[box], pair.inside[box])


def turn(pair: PaintedPair, rng: np.random.Generator) -> PaintedPair:
    """Flip the axes of a pair at random and, if it has a volume for each axis, permute them.

    The volumes are permuted together with the axes, so that each is still stacked along its own
    axis. What remains to be learnt is how volumes that are painted slice by slice err in general,
    and not how one network errs in one place: only the former applies to other networks.
    """
    count = len(pair.volumes)
    order = rng.permutation(3) if count == 3 else np.arange(3)
    flips = tuple(axis for axis in (-3, -2, -1) if rng.random() < 0.5)
    volumes = np.flip(pair.volumes.transpose(0, *(order + 1)), flips)
    image, inside = (np.flip(a.transpose(order), flips) for a in (pair.image, pair.inside))
    if count == 3:
        stacked = list(AXES.values())  # the axis of each volume
        volumes = volumes[[stacked.index(order[axis]) for axis in stacked]]
    return PaintedPair(volumes, image, inside)


def patch_boxes(shape: tuple[int, ...], patch: int) -> list[tuple[slice, ...]]:
    """List the boxes of a volume's patches, half a patch apart; the last of a side ends with it."""
    sides = []
    for n in shape:
        starts = [*range(0, n - patch, patch // 2), max(n - patch, 0)]
        sides.append([slice(s, s + patch) for s in starts])
    return list(itertools.product(*sides))
