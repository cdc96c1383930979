"""Numbered pieces of work, done in order by this process or shared among several of Ray's."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from factory.execution.ray.parallel_map import parallel_map
from factory.execution.ray.session import ray_session
from factory.progress import Progress

T = TypeVar("T")
Work = Callable[[int], T]


@dataclass(frozen=True)
class Workers:
    """Who works. workers: processes; 1 is this one alone. address: of a Ray cluster to join.
    show: whether progress is shown."""

    workers: int = 1
    address: str | None = None
    show: bool = False

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """A Ray for all that is spread while the block lasts, if one is needed."""
        with ray_session(self.address, self.workers) if self.workers > 1 else _alone():
            yield


SERIAL = Workers()


def map_in_workers(
    make: Callable[[], Work[T]], count: int, crew: Workers = SERIAL, doing: str = "reading"
) -> Iterator[T]:
    """What make()(i) gives for each i below count, in order.

    make: called once in each process; what loads there never travels. An error comes out as it was
    raised. Several workers have a torch thread each.
    """
    with Progress(count, show=crew.show, activity=doing, unit="images") as progress:
        for found in map(make(), range(count)) if crew.workers == 1 else _by_ray(make, count, crew):
            progress.advance(1)
            yield found


def _by_ray(make: Callable[[], Work[T]], count: int, crew: Workers) -> Iterator[T]:
    with crew.gathered():
        yield from parallel_map(make, count, crew.workers)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    yield
