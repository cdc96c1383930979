"""Volumes that a reader study draws slices from, real and synthetic in the same units."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from factory.errors import FactoryError
from factory.intensities import RANGE, normalise
from factory.orientations import brain_box
from storage.dataset import Dataset
from storage.dataset_open import open_dataset
from storage.errors import DatasetError
from storage.planes import TABLES
from storage.subject import Subject

PARTIAL = [table.names for table in TABLES.values()]
"""Label tables of some organs in a picture of more; all others label everything there is to see."""


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

    label: > 0 where the 99.5th percentile is taken; None or empty: wherever the image is above 0.
    whole: the label covers all that is to be seen, so that what lies outside becomes black and the
    array is cut to its box. Raises FactoryError where the image is dark throughout.
    """
    if label is None or not label.any():
        label = image > 0
    if not (label.any() and np.percentile(image[label > 0], 99.5) > 0):
        raise FactoryError(f"{id}: the image is dark throughout, so there is nothing to show")
    ours = np.clip(normalise(image, label), *RANGE).astype(np.float16)
    inside = label > 0 if whole else np.ones(image.shape, bool)
    box = brain_box(inside)
    return Volume(id, np.where(inside, ours, 0)[box].astype(np.float16), inside[box], spacing)


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
    """The images of a dataset, by "sample N"."""
    return {
        f"sample {index}": functools.partial(_read, dataset, index, whole)
        for index in range(dataset.layout.samples)
    }


def _read(dataset: Dataset, index: int, whole: bool) -> Volume:
    sample = dataset.sample(index)
    dz, dy, dx = (float(s) for s in sample.spacing_mm)
    name = f"sample {index}"
    return volume(name, sample.arrays["image"], sample.arrays["label"], (dz, dy, dx), whole)
