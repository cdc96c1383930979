"""Pairs of painted and real volumes as a seeded stream of training patches.

What a step sees is a function of (seed, step) alone, as in factory.training.slices.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from factory.imaging.orientations import AXES


@dataclass(frozen=True)
class Pair:
    """volumes: float16 [orientation, z, y, x]; image: float16 and inside: bool [z, y, x]."""

    volumes: np.ndarray
    image: np.ndarray
    inside: np.ndarray


class PatchSampler:
    """Draws global batches of patches of `patch`³ that hold tissue, half a patch apart.

    Each is as likely as every other. turned: each is seen from a side drawn for it (see `turn`).
    least_error: what the volumes err by is scaled by a factor drawn from here to 1, for networks
    that err less than those that painted them.
    """

    def __init__(
        self, pairs: list[Pair], patch: int, turned: bool, seed: int, least_error: float = 1.0
    ) -> None:
        self.pairs, self.patch, self.turned, self.seed = pairs, patch, turned, seed
        self.least_error = least_error
        self.where = [
            (i, box)
            for i, pair in enumerate(pairs)
            for box in boxes(pair.inside.shape, patch)
            if pair.inside[box].any()
        ]

    def __len__(self) -> int:
        """Patches that hold tissue: one epoch."""
        return len(self.where)

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The global batch of a step: volumes float32 (B, C, D, H, W), images float32 and inside
        bool (B, D, H, W)."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        drawn = [self.cut(int(i)) for i in rng.integers(len(self.where), size=size)]
        if self.turned:
            drawn = [turn(pair, rng) for pair in drawn]
        volumes, images, inside = (
            np.stack([getattr(pair, name) for pair in drawn])
            for name in ("volumes", "image", "inside")
        )
        scale = rng.uniform(self.least_error, 1, (size, 1, 1, 1, 1)).astype(np.float32)
        real = images.astype(np.float32)
        error = volumes.astype(np.float32) - real[:, None]
        return real[:, None] + scale * error, real, inside

    def cut(self, index: int) -> Pair:
        which, box = self.where[index]
        pair = self.pairs[which]
        return Pair(pair.volumes[:, *box], pair.image[box], pair.inside[box])


def turn(pair: Pair, rng: np.random.Generator) -> Pair:
    """A pair with its axes flipped, and exchanged where there is a volume stacked on each: the
    volumes are exchanged with them, so that each is stacked on the axis that it was.

    What can be learnt of patches so turned is how volumes painted slice by slice err, whichever
    way up, and not how one network does in one place: that is what passes to other networks.
    """
    count = len(pair.volumes)
    order = rng.permutation(3) if count == 3 else np.arange(3)
    flips = tuple(axis for axis in (-3, -2, -1) if rng.random() < 0.5)
    volumes = np.flip(pair.volumes.transpose(0, *(order + 1)), flips)
    image, inside = (np.flip(a.transpose(order), flips) for a in (pair.image, pair.inside))
    if count == 3:
        stacked = list(AXES.values())  # the axis of each volume
        volumes = volumes[[stacked.index(order[axis]) for axis in stacked]]
    return Pair(volumes, image, inside)


def boxes(shape: tuple[int, ...], patch: int) -> list[tuple[slice, ...]]:
    """Boxes half a patch apart over a volume; the last of a side ends with it."""
    sides = []
    for n in shape:
        starts = [*range(0, n - patch, patch // 2), max(n - patch, 0)]
        sides.append([slice(s, s + patch) for s in starts])
    return list(itertools.product(*sides))
