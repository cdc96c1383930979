"""Real volumes as a seeded stream of training slices.

The batch of a step is a function of (seed, step) alone, so a resumed training, and one with another
number of workers, sees the same global batches.
"""

from dataclasses import dataclass

import numpy as np

from factory.imaging.intensities import normalise, to_network
from factory.imaging.orientations import cut, to_stack
from factory.storage.subjects.channels import list_channels, map_channels
from factory.storage.subjects.types import FETA, LabelTable, Subject
from factory.training.recipe import TrainingSubjects


@dataclass(frozen=True)
class SliceStack:
    """One volume cut in one orientation.

    Attributes:
        label: [slice, row, column].
        image: float32 in [-1, 1], [slice, row, column], or [slice, channel, row, column] if the
            subject's channels have names.
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
    image = scale_for_network(subject.image, subject.label)
    label = to_stack(subject.label, orientation)
    filled = np.flatnonzero(label.any(axis=(1, 2)))
    stacks = [to_stack(channel, orientation) for channel in list_channels(image)]
    stack = np.stack(stacks, axis=1) if subject.channels else stacks[0]
    return SliceStack(np.ascontiguousarray(label), np.ascontiguousarray(stack), filled)


def scale_for_network(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return an image in [-1, 1] as the networks learn it, each channel by its own unit.

    Args:
        image: In scanner units, [z, y, x] or [channel, z, y, x].
        label: The label map [z, y, x]; the units are measured where it is above 0.
    """
    return map_channels(lambda channel: to_network(normalise(channel, label)), image)


def count_channels(images: np.ndarray) -> int:
    """Return the number of channels of slices (B, H, W) or (B, I, H, W)."""
    return 1 if images.ndim == 3 else images.shape[1]


def add_channel_axis(images: np.ndarray) -> np.ndarray:
    """Return slices (B, H, W) or (B, I, H, W) with an axis of channels, (B, I, H, W)."""
    return images[:, None] if images.ndim == 3 else images


def is_mirrored(section: TrainingSubjects, orientation: str, table: LabelTable) -> bool:
    """Return whether half of the slices of an orientation are mirrored.

    Sagittal slices and hearts never are: that would swap front and back, or the ventricles.

    Args:
        section: The recipe's `subjects`.
        orientation: The orientation of the slices.
        table: The label table of the training.
    """
    if orientation == "sagittal" or section.layout == "short_axis":
        return False
    return table.names == FETA.names if section.mirror is None else section.mirror


class SliceSampler:
    """Draws global batches of random square crops from stacks of one orientation.

    Each slice with tissue, of any stack, is equally likely.
    """

    def __init__(
        self,
        stacks: list[SliceStack],
        crop: int,
        mirror: bool,
        seed: int,
        mirrored: np.ndarray | None = None,
    ) -> None:
        """Keep the stacks and list their slices.

        Args:
            stacks: Stacks of one orientation.
            crop: Side of the crops in pixels.
            mirror: Mirror half of the crops left to right.
            seed: Seed of the stream.
            mirrored: The label that each value becomes in a mirror image, as from
                `LabelTable.mirrored_values`; None if no label has a side.
        """
        self.stacks, self.crop, self.mirror, self.seed = stacks, crop, mirror, seed
        self.mirrored = mirrored
        self.positions = [(s, int(i)) for s, stack in enumerate(stacks) for i in stack.filled]

    def __len__(self) -> int:
        """Return the number of slices with tissue: one epoch."""
        return len(self.positions)

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the global batch of a step.

        Returns:
            Labels [size, crop, crop], and images float32 of the same shape, or [size, channel,
            crop, crop].
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
            The label [crop, crop], and the image [crop, crop] or [channel, crop, crop].
        """
        stack_index, slice_index = position
        stack = self.stacks[stack_index]
        label, image = stack.label[slice_index], stack.image[slice_index]
        box = (
            self.random_window(label.any(axis=1), rng),
            self.random_window(label.any(axis=0), rng),
        )
        channels = tuple(slice(0, n) for n in image.shape[:-2])
        label, image = cut(label, box), cut(image, (*channels, *box), fill=-1.0)
        if self.mirror and rng.random() < 0.5:
            label, image = label[:, ::-1], image[..., ::-1]
            label = label if self.mirrored is None else self.mirrored[label]
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
