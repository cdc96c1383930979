"""Real volumes as a seeded stream of training slices.

What a step sees is a function of (seed, step) alone, so that a resumed training, and one on other
numbers of workers, sees the same global batches.
"""

from dataclasses import dataclass

import numpy as np

from factory.imaging.intensities import normalise, to_network
from factory.imaging.orientations import cut, slices
from factory.storage.subjects.types import Subject


@dataclass(frozen=True)
class SliceStack:
    """One volume cut in one orientation: label uint8 and image float32 [slice, rows, columns];
    filled lists the slices that hold any tissue."""

    label: np.ndarray
    image: np.ndarray
    filled: np.ndarray


def stack(subject: Subject, orientation: str) -> SliceStack:
    """Raises ValueError where the subject has no image."""
    if subject.image is None:
        raise ValueError(f"{subject.id}: no image to learn from")
    image = to_network(normalise(subject.image, subject.label))
    label = slices(subject.label, orientation)
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    return SliceStack(
        np.ascontiguousarray(label), np.ascontiguousarray(slices(image, orientation)), filled
    )


class SliceSampler:
    """Draws global batches of random crops of `crop`² from stacks of one orientation.

    Each slice of each stack is as likely as every other. Axial and coronal slices are mirrored
    left to right half of the time: no label of these tables has a side.
    """

    def __init__(self, stacks: list[SliceStack], crop: int, mirror: bool, seed: int) -> None:
        self.stacks, self.crop, self.mirror, self.seed = stacks, crop, mirror, seed
        self.where = [(s, int(i)) for s, stack in enumerate(stacks) for i in stack.filled]

    def __len__(self) -> int:
        """Slices that hold tissue: one epoch."""
        return len(self.where)

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The global batch of a step: labels uint8 (B, crop, crop), images float32 alike."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        chosen = [
            self.crop_of(self.where[i], rng) for i in rng.integers(len(self.where), size=size)
        ]
        return np.stack([label for label, _ in chosen]), np.stack([image for _, image in chosen])

    def crop_of(
        self, where: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        stack, i = self.stacks[where[0]], where[1]
        label, image = stack.label[i], stack.image[i]
        window = (self.window(label.any(axis=1), rng), self.window(label.any(axis=0), rng))
        label, image = cut(label, window), cut(image, window, fill=-1.0)
        if self.mirror and rng.random() < 0.5:
            label, image = label[:, ::-1], image[:, ::-1]
        return label, image

    def window(self, filled: np.ndarray, rng: np.random.Generator) -> slice:
        """A random window of `crop` that holds the tissue, or lies within it if that is larger.

        A plane of just that size is taken whole.
        """
        if len(filled) == self.crop:
            return slice(0, self.crop)
        inside = np.flatnonzero(filled)
        low, high = int(inside[0]), int(inside[-1]) + 1
        a, b = sorted((low, high - self.crop))
        start = int(rng.integers(a, b + 1))
        return slice(start, start + self.crop)
