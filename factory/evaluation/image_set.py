"""A set of images, read one at a time, and worked on by one process or by several."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from factory.errors import FactoryError
from factory.evaluation.parallel import SERIAL, Workers, map_in_workers
from factory.storage.errors import SubjectError

T = TypeVar("T")


@dataclass(frozen=True)
class Volume:
    """image: float32 [z, y, x], 1 its 99.5th percentile inside. inside: bool, where tissue is.
    owner: whose it is, or of whose labels it was made."""

    id: str
    owner: str
    image: np.ndarray
    inside: np.ndarray


SAID = 3
"""Remarks in an error; a folder may hold thousands of files that are no images."""


@dataclass
class ImageSet:
    """A set of images, read anew at each pass. thick: slices lie too far apart to cut across.

    remarks: what was left out or taken for granted, filled as it is read.
    """

    name: str
    sources: Sequence[Callable[[], list[Volume]]]
    thick: bool
    held_out: frozenset[str] = frozenset()
    remarks: dict[str, None] = field(default_factory=dict)

    def map(
        self,
        make: Callable[[], Callable[[Volume], T]],
        crew: Workers = SERIAL,
        doing: str = "reading",
    ) -> Iterator[T]:
        """What becomes of every image, in order. make: called once in each process, makes what is
        done to an image. Raises FactoryError where there is no image."""
        some = False
        for found, said in map_in_workers(
            partial(reader, self, make), len(self.sources), crew, doing
        ):
            self.remarks |= dict.fromkeys(said)
            some = some or bool(found)
            yield from found
        if not some:
            said, more = list(self.remarks), len(self.remarks) - SAID
            why = "; ".join(said[:SAID]) + (f"; and {more} more" if more > 0 else "")
            why = why or "there is none"
            raise FactoryError(f"{self.name}: no image that can be compared ({why})")

    def usable(self, number: int) -> Iterator[Volume]:
        """The images of one source that can be compared."""
        try:
            for volume in self.sources[number]():
                if np.ptp(volume.image) > 0:
                    yield volume
                else:
                    self.remarks[f"left out: the image of {volume.id} is constant"] = None
        except SubjectError as error:
            self.remarks[f"left out: {error}"] = None


def reader(
    images: ImageSet, make: Callable[[], Callable[[Volume], T]]
) -> Callable[[int], tuple[list[T], list[str]]]:
    """A process's share of a set: what becomes of a source's images, and all remarks so far."""
    work = make()
    return lambda number: ([work(volume) for volume in images.usable(number)], list(images.remarks))
