"""Volumes that a reader study draws slices from, real and synthetic in the same units."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.imaging.boxes import tissue_slices
from factory.imaging.intensities import RANGE, normalise
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import open_dataset
from factory.storage.errors import DatasetError
from factory.storage.subjects.slices import TABLES
from factory.storage.subjects.types import Subject

PARTIAL = [table.names for table in TABLES.values()]
"""Label tables of some organs in a picture of more; all others label everything there is to see."""

DARK = 0.005
"""Up to this share of an image's brightest, a voxel is background."""

MOST_AT_EDGE = 0.25
"""The share of a volume's outer faces that may be bright where it lies on black."""


@dataclass(frozen=True)
class Volume:
    """image: float16 [z, y, x], multiples of its own 99.5th percentile, clipped to RANGE.
    inside: bool, what is to be seen; the image is 0 elsewhere. spacing: mm (z, y, x)."""

    id: str
    image: np.ndarray
    inside: np.ndarray
    spacing: tuple[float, float, float]


Collection = Mapping[str, Callable[[], Volume]]
"""Volumes by id, each read when it is called for."""


def volume(
    id: str,
    image: np.ndarray,
    label: np.ndarray | None,
    spacing: tuple[float, float, float],
    whole: bool,
) -> Volume:
    """A Volume of an image in any units.

    label: > 0 where something was labelled; None or empty: nobody did. whole: labels cover all that
    is to be seen, so that the rest becomes black and the array is cut to the box of what is left.
    Raises FactoryError where the image is dark throughout, or would stand out by its background.
    """
    drawn = label > 0 if label is not None and label.any() else None
    bright = image > DARK * np.percentile(image, 99.9)
    if not (bright & (image > 0)).any():
        raise FactoryError(f"{id}: the image is dark throughout, so there is nothing to show")
    inside = _on_black(id, bright, drawn) if whole else np.ones(image.shape, bool)
    where = inside if whole else bright if drawn is None else drawn
    ours = np.clip(normalise(image, where), *RANGE).astype(np.float16)
    box = tissue_slices(inside)
    return Volume(id, np.where(inside, ours, 0)[box].astype(np.float16), inside[box], spacing)


def _on_black(id: str, bright: np.ndarray, drawn: np.ndarray | None) -> np.ndarray:
    """What is to be seen of an image, all else being black: what was drawn; but where the image
    lies on black already and labels are of less than half of it (a lesion), all of it."""
    faces = [bright.take((0, -1), a).ravel() for a in range(3) if bright.shape[a] > 1]
    black = np.concatenate(faces).mean() < MOST_AT_EDGE
    if drawn is not None and (not black or 2 * (drawn & bright).sum() >= bright.sum()):
        return drawn
    if not black:
        raise FactoryError(
            f"{id}: its background is not black and no label map or mask lies beside it, so it "
            "would stand out from the synthetic ones; put one beside"
        )
    return np.asarray(ndimage.binary_fill_holes(bright))


def volume_of(subject: Subject, whole: bool) -> Volume:
    """A subject's image. Raises FactoryError where it has none."""
    if subject.image is None:
        raise FactoryError(f"{subject.id}: it has labels but no image to show")
    return volume(subject.id, subject.image, subject.label, subject.grid.spacing, whole)


def sealed(path: str) -> Dataset:
    """A dataset, complete. Raises DatasetError."""
    dataset = open_dataset(path)
    if not dataset.is_complete():
        raise DatasetError(f"{path}: not complete; factory render completes it")
    return dataset


def labels_all(dataset: Dataset) -> bool:
    """Whether a dataset's labels cover all that is to be seen."""
    return dataset.layout.table.names not in PARTIAL


def dataset_volumes(dataset: Dataset, whole: bool) -> Collection:
    """The images of a dataset's accepted samples, by "sample N"."""
    return {
        f"sample {index}": functools.partial(_read, dataset, index, whole)
        for index in GeneratedImages(dataset).accepted_samples
    }


def _read(dataset: Dataset, index: int, whole: bool) -> Volume:
    sample = dataset.sample(index)
    dz, dy, dx = (float(s) for s in sample.spacing_mm)
    name = f"sample {index}"
    return volume(name, sample.arrays["image"], sample.arrays["label"], (dz, dy, dx), whole)
