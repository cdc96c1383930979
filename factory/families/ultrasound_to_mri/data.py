"""Planes of ultrasound and of MR in one frame, as a seeded stream of unpaired batches.

What a step sees is a function of (seed, step) alone, as in factory.training.slices.
"""

import numpy as np
from scipy import ndimage

from factory.imaging.intensities import normalise, to_network
from factory.storage.subjects.head_frame import LENGTH, mask_ellipse, resample_to_frame
from factory.storage.subjects.types import Subject
from factory.training.augmentation import transform_in_plane
from factory.training.recipe import Augment

INSIDE_SKULL = 0.95
"""A brain's length over that of its head: an ellipse is drawn on the skull's outer edge, labels of
MR end at its inner one."""

REACH = 0.06
"""Planes of MR to take, as far from the middle of the thalami as this share of the brain's
length, up and down."""


def ultrasound_plane(subject: Subject) -> np.ndarray:
    """The image of a head in ultrasound, float32 (SIDE, SIDE) in [-1, 1], -1 outside the head.

    The square root of the intensities: beside a bright skull the brain would be nearly black.
    """
    if subject.image is None:
        raise ValueError(f"{subject.id}: no image")
    bright = np.sqrt(np.maximum(normalise(subject.image, subject.label), 0))
    return to_network(bright)[0]


def mri_planes(subject: Subject, reach: float = REACH) -> tuple[np.ndarray, np.ndarray]:
    """Axial planes about the transthalamic one, the lowest first: images float32 (N, SIDE, SIDE)
    in [-1, 1], -1 outside the brain, and masks of the brain, bool alike.

    The transthalamic plane is that of the deep grey matter's middle; its brain gives the frame of
    every plane. reach 0 gives it alone. Raises ValueError without an image or deep grey matter.
    """
    thalami = subject.label == subject.table.index("deep_grey_matter")
    if subject.image is None or not thalami.any():
        raise ValueError(f"{subject.id}: no image, or no deep grey matter to find the plane by")
    middle = round(float(np.flatnonzero(thalami.any(axis=(1, 2))) @ _share(thalami)))
    ellipse = mask_ellipse(ndimage.binary_fill_holes(subject.label[middle] > 0))
    dz, dy, _ = subject.grid.spacing
    planes = round(reach * 2 * ellipse.long * dy / dz)
    chosen = range(max(middle - planes, 0), min(middle + planes + 1, len(subject.label)))
    length = INSIDE_SKULL * LENGTH
    brain = subject.label > 0
    image = np.where(brain, normalise(subject.image, subject.label), 0)
    drawn = [to_network(resample_to_frame(image[z], ellipse, length)) for z in chosen]
    masks = [
        resample_to_frame(ndimage.binary_fill_holes(brain[z]), ellipse, length) > 0.5
        for z in chosen
    ]
    return np.stack(drawn), np.stack(masks)


def _share(mask: np.ndarray) -> np.ndarray:
    """Of each plane that holds any of a mask, its share of the whole."""
    areas = mask.sum(axis=(1, 2))
    return areas[areas > 0] / areas.sum()


class UnpairedSampler:
    """Draws global batches of ultrasound and, apart from it, of MR: sets of any two sizes.

    Each plane of a set is as likely as every other. Half of the ultrasounds are turned front to
    back, and half mirrored left to right, since an ellipse tells neither. MR stays as it lies: of
    brains that lie either way, discriminators of patches accept one with a half of each.
    """

    def __init__(
        self, us_NHW: np.ndarray, mri_MHW: np.ndarray, augment: Augment, seed: int
    ) -> None:
        self.sets, self.augment, self.seed = (us_NHW, mri_MHW), augment, seed

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The global batch of a step: ultrasound and MR, float32 (B, H, W) each in [-1, 1]."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        us_NHW, mri_MHW = self.sets
        us = [
            self.augmented(flip_at_random(us_NHW[i], rng), rng)
            for i in rng.integers(len(us_NHW), size=size)
        ]
        mri = [self.augmented(mri_MHW[i], rng) for i in rng.integers(len(mri_MHW), size=size)]
        return np.stack(us), np.stack(mri)

    def augmented(self, plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return transform_in_plane(plane, self.augment, rng, order=1, outside=-1.0).astype(
            np.float32
        )


def flip_at_random(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Front to back, left to right, both or neither, each as likely."""
    ways = tuple(axis for axis, turn in enumerate(rng.random(2) < 0.5) if turn)
    return np.flip(plane, ways)
