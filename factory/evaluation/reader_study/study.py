"""Which slices a study shows, and in what order each reader sees them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox

from factory.errors import FactoryError
from factory.evaluation.reader_study.pictures import (
    Frame,
    blur_volume,
    can_show,
    fit_frame,
    render_slice,
)
from factory.evaluation.reader_study.real_volumes import real_volumes
from factory.evaluation.reader_study.volumes import (
    Collection,
    Volume,
    dataset_volumes,
    labels_all_tissue,
)
from factory.imaging.orientations import AXES
from factory.storage.dataset.dataset import Dataset
from factory.storage.json_value import JsonObject

ORIENTATIONS = ("axial", "coronal", "sagittal")
SOURCES = ("real", "synthetic")
CENTRAL = 0.6
"""The central part of a volume's extent that slices come from, so that none grazes the surface."""


@dataclass(frozen=True)
class StudyRequest:
    """What a study was made from; the same request continues it.

    Attributes:
        recipe_digest: Digest of the recipe of the synthetic dataset.
        real: The folder of real volumes, as an absolute path, or a URL.
        samples: Number of pictures that each reader sees, half of them real.
        seed: Seed of the choice of slices and of the order of each reader.
    """

    recipe_digest: str
    real: str
    samples: int
    seed: int

    def to_json(self) -> JsonObject:
        """Return the attributes by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Picture:
    """One slice as it is shown.

    Attributes:
        source: "real" or "synthetic".
        volume: The volume's id.
        orientation: "axial", "coronal" or "sagittal".
        slice: The slice's number in the volume.
        pixels: uint16, little endian, side² of them.
    """

    source: str
    volume: str
    orientation: str
    slice: int
    pixels: bytes


@dataclass(frozen=True)
class Slot:
    """One slice that is to be cut: the number of its volume, and its orientation."""

    volume: int
    orientation: str


def make_pictures(
    dataset: Dataset, real: str, samples: int, seed: int
) -> tuple[Frame, list[Picture]]:
    """Make the pictures of a study, half of them real.

    Both halves have the same number of slices of each orientation, at random positions in the
    central part of each volume. Volumes are drawn without replacement, and used again only if there
    are fewer volumes than pictures.

    Args:
        dataset: The synthetic dataset.
        real: The folder of real volumes.
        samples: Number of pictures, even.
        seed: Seed of the choice.

    Raises:
        FactoryError: If there are too few slices, or no orientation that all volumes can show.
        StorageError: If something cannot be read.
    """
    rng = Generator(Philox(seed))
    on_black = labels_all_tissue(dataset)
    collections = {
        "real": real_volumes(real, dataset, on_black),
        "synthetic": dataset_volumes(dataset, on_black),
    }
    volumes = {
        source: [
            collections[source][name]()
            for name in select_volumes(collections[source], samples, rng)
        ]
        for source in SOURCES
    }
    all_volumes = [volume for source in SOURCES for volume in volumes[source]]
    orientations = [
        orientation
        for orientation in ORIENTATIONS
        if all(can_show(volume, orientation) for volume in all_volumes)
    ]
    if not orientations:
        raise FactoryError(
            f"{real}: no orientation in which every volume, real and synthetic, has slices of "
            "nearly square pixels, 16 or more a side"
        )
    frame = fit_frame(all_volumes, orientations, on_black)
    pictures = [
        picture
        for source in SOURCES
        for picture in _cut_pictures(
            source, volumes[source], orientations, samples // 2, frame, rng
        )
    ]
    return frame, pictures


def select_volumes(collection: Collection, samples: int, rng: Generator) -> list[str]:
    """Select the volumes of one half: as many as it has pictures, or all if there are fewer."""
    names = sorted(collection)
    return [names[i] for i in rng.permutation(len(names))[: samples // 2]]


def assign_slots(volumes: int, orientations: Sequence[str], count: int) -> list[Slot]:
    """Return `count` slots that take volumes and orientations in turn.

    After each round the volumes are shifted by one, so that no volume keeps to one orientation.
    """
    return [
        Slot((k + k // volumes) % volumes, orientations[k % len(orientations)])
        for k in range(count)
    ]


def central_slices(volume: Volume, orientation: str) -> np.ndarray:
    """Return the numbers of the slices that may be shown: the central part of those not empty."""
    axis = AXES[orientation]
    others = tuple(a for a in range(3) if a != axis)
    filled = np.flatnonzero(np.any(volume.inside, axis=others))
    edge = round(len(filled) * (1 - CENTRAL) / 2)
    return filled[edge : len(filled) - edge]


def _cut_pictures(
    source: str,
    volumes: list[Volume],
    orientations: Sequence[str],
    count: int,
    frame: Frame,
    rng: Generator,
) -> Iterator[Picture]:
    slots = assign_slots(len(volumes), orientations, count)
    for number, volume in enumerate(volumes):
        image = blur_volume(volume, frame)
        for orientation in orientations:
            needed = slots.count(Slot(number, orientation))
            candidates = central_slices(volume, orientation)
            if needed > len(candidates):
                raise FactoryError(
                    f"{volume.id} ({source}): the study needs {needed} {orientation} slices of it, "
                    f"but it has {len(candidates)}; allowed: fewer --samples, or more volumes"
                )
            for index in sorted(int(i) for i in rng.choice(candidates, needed, replace=False)):
                pixels = render_slice(image, volume, orientation, index, frame)
                yield Picture(source, volume.id, orientation, index, pixels.tobytes())


def picture_order(reader: str, seed: int, ids: Sequence[int]) -> list[int]:
    """Return the pictures in a reader's order, which depends on the study's seed and the reader."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {reader}".encode()).digest()[:16], "little")
    return [int(i) for i in Generator(Philox(key=key)).permutation(np.asarray(ids))]
