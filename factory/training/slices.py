"""Real volumes as a seeded stream of training slices.

The batch of a step is a function of (seed, step) alone, so a resumed training, and one with another
number of workers, sees the same global batches.
"""

from dataclasses import dataclass

import numpy as np

from factory.imaging.intensities import normalise, to_network
from factory.imaging.orientations import cut, to_stack
from factory.storage.subjects.types import Subject


@dataclass(frozen=True)
class SliceStack:
    """One volume cut in one orientation.

    Attributes:
        label: uint8 [slice, row, column].
        image: float32 [slice, row, column], in [-1, 1].
        filled: Indices of the slices that contain tissue.
    """

    label: np.ndarray
    image: np.ndarray
    filled: np.ndarray


def cut_stack(subject: Subject, orientation: str) -> SliceStack:
    """Cut a subject into slices of one orientation.

    Raises:
        ValueError: The subject has no image.
    """
    if subject.image is None:
        raise ValueError(f"{subject.id}: no image to learn from")
    image = to_network(normalise(subject.image, subject.label))
    label = to_stack(subject.label, orientation)
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    return SliceStack(
        np.ascontiguousarray(label), np.ascontiguousarray(to_stack(image, orientation)), filled
    )


class SliceSampler:
    """Draws global batches of random square crops from stacks of one orientation.

    Each slice with tissue, of any stack, is equally likely.
    """

    def __init__(self, stacks: list[SliceStack], crop: int, mirror: bool, seed: int) -> None:
        """Keep the stacks and list their slices.

        Args:
            stacks: Stacks of one orientation.
            crop: Side of the crops in pixels.
            mirror: Mirror half of the crops left to right. Do so only where no label has a side.
            seed: Seed of the stream.
        """
        self.stacks, self.crop, self.mirror, self.seed = stacks, crop, mirror, seed
        self.positions = [(s, int(i)) for s, stack in enumerate(stacks) for i in stack.filled]

    def __len__(self) -> int:
        """Return the number of slices with tissue: one epoch."""
        return len(self.positions)

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the global batch of a step.

        Returns:
            Labels uint8 and images float32, each [size, crop, crop].
        """
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        crops = [
            self.random_crop(self.positions[i], rng)
            for i in rng.integers(len(self.positions), size=size)
        ]
        return np.stack([label for label, _ in crops]), np.stack([image for _, image in crops])

    def random_crop(
        self, position: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cut a random crop of one slice.

        Args:
            position: Index of the stack, and of the slice in it.
            rng: Source of the random numbers.

        Returns:
            The label and the image, each [crop, crop].
        """
        stack_index, slice_index = position
        stack = self.stacks[stack_index]
        label, image = stack.label[slice_index], stack.image[slice_index]
        box = (
            self.random_window(label.any(axis=1), rng),
            self.random_window(label.any(axis=0), rng),
        )
        label, image = cut(label, box), cut(image, box, fill=-1.0)
        if self.mirror and rng.random() < 0.5:
            label, image = label[:, ::-1], image[:, ::-1]
        return label, image

    def random_window(self, filled: np.ndarray, rng: np.random.Generator) -> slice:
        """Choose a window of `crop` pixels that contains the tissue, or lies within it.

        Args:
            filled: Which rows, or which columns, of the slice contain tissue.
            rng: One number is drawn from it, unless the slice is as large as the crop.
        """
        if len(filled) == self.crop:
            return slice(0, self.crop)
        inside = np.flatnonzero(filled)
        low, high = int(inside[0]), int(inside[-1]) + 1
        first, last = sorted((low, high - self.crop))
        start = int(rng.integers(first, last + 1))
        return slice(start, start + self.crop)
