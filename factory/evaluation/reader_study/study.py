"""Which slices a study shows, and in what order each reader sees them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox

from factory.errors import FactoryError
from factory.evaluation.reader_study.pictures import Frame, blurred, frame_for, offers, picture
from factory.evaluation.reader_study.real_volumes import real_volumes
from factory.evaluation.reader_study.volumes import Collection, Volume, dataset_volumes, labels_all
from factory.imaging.orientations import AXES
from factory.storage.dataset.dataset import Dataset

ORIENTATIONS = ("axial", "coronal", "sagittal")
SOURCES = ("real", "synthetic")
CENTRAL = 0.6
"""The middle part of a volume's extent that slices are drawn from: none grazes the surface."""


@dataclass(frozen=True)
class Picture:
    """One slice as it is shown: pixels uint16, little endian, side² of them."""

    source: str
    volume: str
    orientation: str
    slice: int
    pixels: bytes


@dataclass(frozen=True)
class Slot:
    """A slice to be drawn of a volume, by its number among those that the study uses."""

    volume: int
    orientation: str


def make_pictures(
    dataset: Dataset, real: str, samples: int, seed: int
) -> tuple[Frame, list[Picture]]:
    """The pictures of a study, half of them real, in no order that matters.

    samples: even. Both halves have the same orientations, as many of each; positions are drawn
    evenly from the middle CENTRAL of each volume. Volumes are drawn without replacement, and taken
    again only where there are fewer than pictures. Raises FactoryError where there are too few
    slices, or no orientation that all volumes offer; StorageError where something cannot be read.
    """
    rng = Generator(Philox(seed))
    whole = labels_all(dataset)
    collections = {
        "real": real_volumes(real, dataset, whole),
        "synthetic": dataset_volumes(dataset, whole),
    }
    volumes = {
        source: [collections[source][name]() for name in drawn(collections[source], samples, rng)]
        for source in SOURCES
    }
    every = [v for source in SOURCES for v in volumes[source]]
    orientations = [o for o in ORIENTATIONS if all(offers(v, o) for v in every)]
    if not orientations:
        raise FactoryError(
            f"{real}: no orientation in which every volume, real and synthetic, has slices of "
            "nearly square pixels, 16 or more a side"
        )
    frame = frame_for(every, orientations, whole)
    return frame, [
        made
        for source in SOURCES
        for made in _pictures(source, volumes[source], orientations, samples // 2, frame, rng)
    ]


def drawn(collection: Collection, samples: int, rng: Generator) -> list[str]:
    """The volumes of one half: as many as there are pictures of it, or all."""
    names = sorted(collection)
    return [names[i] for i in rng.permutation(len(names))[: samples // 2]]


def slots(volumes: int, orientations: Sequence[str], count: int) -> list[Slot]:
    """What to draw: orientations in turn, volumes in turn, one turn on at every round so that no
    volume keeps to one orientation."""
    return [
        Slot((k + k // volumes) % volumes, orientations[k % len(orientations)])
        for k in range(count)
    ]


def positions(volume: Volume, orientation: str) -> np.ndarray:
    """The slices that may be shown: the middle CENTRAL of those with something in them."""
    axis = AXES[orientation]
    others = tuple(a for a in range(3) if a != axis)
    filled = np.flatnonzero(np.any(volume.inside, axis=others))
    edge = round(len(filled) * (1 - CENTRAL) / 2)
    return filled[edge : len(filled) - edge]


def _pictures(
    source: str,
    volumes: list[Volume],
    orientations: Sequence[str],
    count: int,
    frame: Frame,
    rng: Generator,
) -> Iterator[Picture]:
    wanted = slots(len(volumes), orientations, count)
    for number, volume in enumerate(volumes):
        image = blurred(volume, frame)
        for orientation in orientations:
            asked = wanted.count(Slot(number, orientation))
            there = positions(volume, orientation)
            if asked > len(there):
                raise FactoryError(
                    f"{volume.id} ({source}): {asked} {orientation} slices are asked of it, "
                    f"{len(there)} are there; fewer --samples, or more volumes"
                )
            for index in sorted(int(i) for i in rng.choice(there, asked, replace=False)):
                pixels = picture(image, volume, orientation, index, frame)
                yield Picture(source, volume.id, orientation, index, pixels.tobytes())


def order_for(reader: str, seed: int, ids: Sequence[int]) -> list[int]:
    """The pictures in a reader's order, which follows from the study's seed and the reader."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {reader}".encode()).digest()[:16], "little")
    return [int(i) for i in Generator(Philox(key=key)).permutation(np.asarray(ids))]


def asked(dataset: Dataset, real: str, samples: int, seed: int) -> Mapping[str, object]:
    """What makes a study the same one when it is taken up again."""
    digest = str(dataset.record["recipe_digest"])
    return {"recipe_digest": digest, "real": real, "samples": samples, "seed": seed}
