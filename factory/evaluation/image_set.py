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

REMARKS_IN_ERROR = 3
"""Most remarks listed in an error; a folder may hold thousands of files that are no images."""


@dataclass(frozen=True)
class Volume:
    """One image that is compared.

    Attributes:
        id: The image's name, for messages and tables.
        owner: The person it shows, or from whose labels it was made.
        image: float32 [z, y, x]; 1 is its 99.5th percentile inside the tissue.
        inside: bool [z, y, x], true where there is tissue.
    """

    id: str
    owner: str
    image: np.ndarray
    inside: np.ndarray


@dataclass
class ImageSet:
    """A set of images, read anew at each pass.

    Attributes:
        name: The folder, recipe or dataset that the images come from.
        sources: Functions that each read one or more images.
        thick: Whether slices lie too far apart to cut across them.
        held_out: Owners whose images the dataset's model did not learn from.
        remarks: What was left out or assumed, filled while the set is read; a dict to keep each
            remark once and in order.
    """

    name: str
    sources: Sequence[Callable[[], list[Volume]]]
    thick: bool
    held_out: frozenset[str] = frozenset()
    remarks: dict[str, None] = field(default_factory=dict)

    def map(
        self,
        make_work: Callable[[], Callable[[Volume], T]],
        workers: Workers = SERIAL,
        activity: str = "reading",
    ) -> Iterator[T]:
        """Apply a function to every usable image, in order.

        Args:
            make_work: Called once in each process; returns the function.
            workers: The processes that share the work.
            activity: The word that begins the progress lines.

        Raises:
            FactoryError: If the set has no usable image.
        """
        is_empty = True
        make_reader = partial(make_source_reader, self, make_work)
        for results, remarks in map_in_workers(make_reader, len(self.sources), workers, activity):
            self.remarks |= dict.fromkeys(remarks)
            is_empty = is_empty and not results
            yield from results
        if is_empty:
            raise FactoryError(f"{self.name}: no image that can be compared ({self._reasons()})")

    def usable_volumes(self, number: int) -> Iterator[Volume]:
        """Yield the images of one source that can be compared, and note a remark on the others."""
        try:
            for volume in self.sources[number]():
                if np.ptp(volume.image) > 0:
                    yield volume
                else:
                    self.remarks[f"left out: the image of {volume.id} is constant"] = None
        except SubjectError as error:
            self.remarks[f"left out: {error}"] = None

    def _reasons(self) -> str:
        """Return the first remarks in one line, as reasons why no image is usable."""
        remarks, more = list(self.remarks), len(self.remarks) - REMARKS_IN_ERROR
        text = "; ".join(remarks[:REMARKS_IN_ERROR]) + (f"; and {more} more" if more > 0 else "")
        return text or "there is none"


def make_source_reader(
    images: ImageSet, make_work: Callable[[], Callable[[Volume], T]]
) -> Callable[[int], tuple[list[T], list[str]]]:
    """Return a function that works on the images of the source with a given number.

    It returns the results, and all remarks noted in its process so far.
    """
    work = make_work()
    return lambda number: (
        [work(volume) for volume in images.usable_volumes(number)],
        list(images.remarks),
    )
