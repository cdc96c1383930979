"""Volumes that a reader study cuts slices from, real and synthetic in the same units."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.imaging.boxes import bounding_box
from factory.imaging.intensities import RANGE, normalise
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import open_dataset
from factory.storage.errors import DatasetError
from factory.storage.subjects.slices import TABLES
from factory.storage.subjects.types import Subject

PARTIAL_LABELS = [table.names for table in TABLES.values()]
"""Label tables that name only some organs of an image; all others label all visible tissue."""

DARK = 0.005
"""Voxels up to this share of an image's brightest voxels are background."""

MOST_AT_EDGE = 0.25
"""The share of a volume's outer faces that may be bright if its background is black."""


@dataclass(frozen=True)
class Volume:
    """A volume to cut slices from.

    Attributes:
        id: Its name.
        image: float16 [z, y, x], in multiples of its 99.5th percentile, clipped to RANGE.
        inside: bool [z, y, x], what is shown of it; the image is 0 elsewhere.
        spacing_mm: Spacing (z, y, x).
    """

    id: str
    image: np.ndarray
    inside: np.ndarray
    spacing_mm: tuple[float, float, float]


Collection = Mapping[str, Callable[[], Volume]]
"""Volumes by id; each is read when its function is called."""


def make_volume(
    id: str,
    image: np.ndarray,
    label: np.ndarray | None,
    spacing_mm: tuple[float, float, float],
    on_black: bool,
) -> Volume:
    """Return a volume of an image in any units.

    Args:
        id: Its name.
        image: [z, y, x].
        label: Above 0 where something was labelled; None or all 0 if nobody labelled it.
        spacing_mm: Spacing (z, y, x).
        on_black: Whether everything but the visible tissue is made black, and the volume is cut to
            the box of what is left; else all of the image is shown.

    Raises:
        FactoryError: If the image is dark everywhere, or its background would give it away.
    """
    labelled = label > 0 if label is not None and label.any() else None
    bright = image > DARK * np.percentile(image, 99.9)
    if not (bright & (image > 0)).any():
        raise FactoryError(f"{id}: the image is dark throughout, so there is nothing to show")
    if on_black:
        inside = reference = _visible_tissue(id, bright, labelled)
    else:
        inside = np.ones(image.shape, bool)
        reference = bright if labelled is None else labelled
    scaled = np.clip(normalise(image, reference), *RANGE).astype(np.float16)
    box = bounding_box(inside)
    image = np.where(inside, scaled, 0)[box].astype(np.float16)
    return Volume(id, image, inside[box], spacing_mm)


def _visible_tissue(id: str, bright: np.ndarray, labelled: np.ndarray | None) -> np.ndarray:
    """Return the mask of what is shown of an image on black.

    That is what was labelled. But if the background is black already and the labels cover less than
    half of what is bright, they are of a lesion, and all that is bright is shown.
    """
    faces = [bright.take((0, -1), a).ravel() for a in range(3) if bright.shape[a] > 1]
    is_black_outside = np.concatenate(faces).mean() < MOST_AT_EDGE
    if labelled is not None and (
        not is_black_outside or 2 * (labelled & bright).sum() >= bright.sum()
    ):
        return labelled
    if not is_black_outside:
        raise FactoryError(
            f"{id}: its background is not black and no label map or mask lies beside it, so it "
            "would stand out from the synthetic ones; put one beside it"
        )
    return np.asarray(ndimage.binary_fill_holes(bright))


def volume_of_subject(subject: Subject, on_black: bool) -> Volume:
    """Return the volume of a subject's image; on_black: see `make_volume`.

    Raises:
        FactoryError: If the subject has no image.
    """
    if subject.image is None:
        raise FactoryError(f"{subject.id}: it has labels but no image to show")
    return make_volume(subject.id, subject.image, subject.label, subject.grid.spacing, on_black)


def open_complete(path: str) -> Dataset:
    """Open a dataset.

    Raises:
        DatasetError: If it is not complete.
    """
    dataset = open_dataset(path)
    if not dataset.is_complete():
        raise DatasetError(f"{path}: not complete; factory render completes it")
    return dataset


def labels_all_tissue(dataset: Dataset) -> bool:
    """Return whether a dataset's labels cover all visible tissue."""
    return dataset.layout.table.names not in PARTIAL_LABELS


def dataset_volumes(dataset: Dataset, on_black: bool) -> Collection:
    """Return the images of a dataset's accepted samples, by "sample N"; see `make_volume`."""
    return {
        f"sample {index}": functools.partial(_read_sample, dataset, index, on_black)
        for index in GeneratedImages(dataset).accepted_samples
    }


def _read_sample(dataset: Dataset, index: int, on_black: bool) -> Volume:
    sample = dataset.sample(index).first_channels()
    dz, dy, dx = (float(s) for s in sample.spacing_mm)
    image, label = sample.arrays["image"], sample.arrays["label"]
    return make_volume(f"sample {index}", image, label, (dz, dy, dx), on_black)
