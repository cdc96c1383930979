"""Pairs of painted and real volumes as a seeded stream of training patches.

What a step sees is a function of (seed, step) alone, as in factory.train.slices.
"""

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pair:
    """volumes: float16 [orientation, z, y, x]; image: float16 and inside: bool [z, y, x]."""

    volumes: np.ndarray
    image: np.ndarray
    inside: np.ndarray


class PatchSampler:
    """Draws global batches of patches of `patch`³ that hold tissue, half a patch apart.

    Each is as likely as every other; mirrored left to right half of the time, if mirror is set.
    """

    def __init__(self, pairs: list[Pair], patch: int, mirror: bool, seed: int) -> None:
        self.pairs, self.patch, self.mirror, self.seed = pairs, patch, mirror, seed
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
        chosen = rng.integers(len(self.where), size=size)
        flips = rng.random(size) < (0.5 if self.mirror else 0.0)
        drawn = [self.cut(i, flip) for i, flip in zip(chosen, flips, strict=True)]
        volumes, images, inside = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        return volumes.astype(np.float32), images.astype(np.float32), inside

    def cut(self, index: int, flip: bool) -> tuple[np.ndarray, ...]:
        which, box = self.where[index]
        pair = self.pairs[which]
        arrays = (pair.volumes[:, *box], pair.image[box], pair.inside[box])
        return tuple(a[..., ::-1] for a in arrays) if flip else arrays


def boxes(shape: tuple[int, ...], patch: int) -> list[tuple[slice, ...]]:
    """Boxes half a patch apart over a volume; the last of a side ends with it."""
    sides = []
    for n in shape:
        starts = [*range(0, n - patch, patch // 2), max(n - patch, 0)]
        sides.append([slice(s, s + patch) for s in starts])
    return list(itertools.product(*sides))
