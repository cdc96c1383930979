"""Ultrasound and MR planes in one frame, as a seeded stream of unpaired batches.

The batch of a step is a function of (seed, step) alone, as in factory.training.slices.

Shape suffixes: N ultrasounds, M MR planes, H, W pixels.
"""

import numpy as np
from scipy import ndimage

from factory.imaging.intensities import normalise, to_network
from factory.storage.subjects.head_frame import LENGTH, mask_ellipse, resample_to_frame
from factory.storage.subjects.types import Subject
from factory.training.augmentation import transform_in_plane
from factory.training.recipe import Augment

INSIDE_SKULL = 0.95
"""The length of a brain relative to that of its head.

The ellipse of an ultrasound is drawn on the outer edge of the skull; the labels of an MR volume end
at its inner edge."""

REACH = 0.06
"""The largest distance of an MR plane from the middle of the thalami, relative to the length of the
brain, upwards and downwards."""


def ultrasound_plane(subject: Subject) -> np.ndarray:
    """Return the image of a head in ultrasound, float32 [y, x] in [-1, 1], −1 outside the head.

    It is the square root of the intensities, since the brain would be nearly black beside the
    bright skull.

    Raises:
        ValueError: The subject has no image.
    """
    if subject.image is None:
        raise ValueError(f"{subject.id}: no image")
    bright = np.sqrt(np.maximum(normalise(subject.image, subject.label), 0))
    plane: np.ndarray = to_network(bright)[0]
    return plane


def mri_planes(subject: Subject, reach: float = REACH) -> tuple[np.ndarray, np.ndarray]:
    """Return axial planes around the transthalamic plane of an MR volume, the lowest first.

    The transthalamic plane is the one through the middle of the deep grey matter. The ellipse of
    its brain determines the frame of all planes.

    Args:
        subject: An MR volume and its label map.
        reach: The largest distance from the transthalamic plane, relative to the length of the
            brain; 0 for this plane alone.

    Returns:
        Images float32 [plane, y, x] in [-1, 1], −1 outside the brain; and masks of the brain.

    Raises:
        ValueError: The subject has no image or no deep grey matter.
    """
    thalami = subject.label == subject.table.index("deep_grey_matter")
    if subject.image is None or not thalami.any():
        raise ValueError(f"{subject.id}: no image, or no deep grey matter to find the plane by")
    middle = _middle_slice(thalami)
    ellipse = mask_ellipse(ndimage.binary_fill_holes(subject.label[middle] > 0))
    dz, dy, _ = subject.grid.spacing
    count = round(reach * 2 * ellipse.long * dy / dz)
    indices = range(max(middle - count, 0), min(middle + count + 1, len(subject.label)))
    length = INSIDE_SKULL * LENGTH
    brain = subject.label > 0
    image = np.where(brain, normalise(subject.image, subject.label), 0)
    planes = [to_network(resample_to_frame(image[z], ellipse, length)) for z in indices]
    masks = [
        resample_to_frame(ndimage.binary_fill_holes(brain[z]), ellipse, length) > 0.5
        for z in indices
    ]
    return np.stack(planes), np.stack(masks)


def _middle_slice(mask: np.ndarray) -> int:
    """Return the index of the slice at the centre of mass of a mask [z, y, x]."""
    areas = mask.sum(axis=(1, 2))
    filled = np.flatnonzero(areas)
    return round(float(filled @ (areas[filled] / areas.sum())))


class UnpairedSampler:
    """Draws global batches of ultrasound and, independently, of MR planes.

    All planes of a set are equally likely. Half of the ultrasounds are flipped front to back, and
    half left to right, since the ellipse of a head does not tell the directions. MR planes are not
    flipped: if they lay in two directions, the discriminators, which see patches, would accept a
    brain with one half of each.
    """

    def __init__(
        self, us_NHW: np.ndarray, mri_MHW: np.ndarray, augment: Augment, seed: int
    ) -> None:
        """Keep the planes.

        Args:
            us_NHW: Ultrasound planes, float32 in [-1, 1].
            mri_MHW: MR planes, float32 in [-1, 1].
            augment: The random transform of each plane.
            seed: Seed of the stream.
        """
        self.us, self.mri, self.augment, self.seed = us_NHW, mri_MHW, augment, seed

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the global batch of a step: ultrasound and MR, float32 (size, H, W) in [-1, 1]."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        us = [
            self.augment_plane(flip_at_random(self.us[i], rng), rng)
            for i in rng.integers(len(self.us), size=size)
        ]
        mri = [self.augment_plane(self.mri[i], rng) for i in rng.integers(len(self.mri), size=size)]
        return np.stack(us), np.stack(mri)

    def augment_plane(self, plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rotate, zoom and shift a plane at random."""
        transformed = transform_in_plane(plane, self.augment, rng, order=1, outside=-1.0)
        return transformed.astype(np.float32)


def flip_at_random(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip a plane front to back, left to right, both or neither, with equal probability."""
    axes = tuple(axis for axis, flip in enumerate(rng.random(2) < 0.5) if flip)
    return np.flip(plane, axes)
