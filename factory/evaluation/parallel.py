"""Numbered pieces of work, done in order by this process or shared among Ray processes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from factory.execution.ray.parallel_map import parallel_map
from factory.execution.ray.session import ray_session
from factory.progress import Progress

T = TypeVar("T")

Work = Callable[[int], T]
"""A function that does the piece of work with a given number."""


@dataclass(frozen=True)
class Workers:
    """The processes that share the work.

    Attributes:
        processes: Number of processes; 1 is this process alone, without Ray.
        address: Address of a Ray cluster to join; None starts Ray on this machine.
        show_progress: Whether progress is shown on stderr.
    """

    processes: int = 1
    address: str | None = None
    show_progress: bool = False

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Keep Ray running for all work in the block, if more than one process is used."""
        if self.processes == 1:
            yield
        else:
            with ray_session(self.address, self.processes):
                yield


SERIAL = Workers()
"""This process alone."""


def map_in_workers(
    make_work: Callable[[], Work[T]],
    count: int,
    workers: Workers = SERIAL,
    activity: str = "reading",
) -> Iterator[T]:
    """Yield make_work()(i) for each i below count, in order.

    Args:
        make_work: Called once in each process; what it loads is never sent to another process.
        count: Number of pieces of work.
        workers: The processes; if there are several, each computes with one torch thread.
        activity: The word that begins the progress lines.

    Raises:
        Exception: Any error of a piece of work, unchanged.
    """
    with Progress(count, show=workers.show_progress, activity=activity, unit="images") as progress:
        for result in _map_pieces(make_work, count, workers):
            progress.advance(1)
            yield result


def _map_pieces(make_work: Callable[[], Work[T]], count: int, workers: Workers) -> Iterator[T]:
    if workers.processes == 1:
        yield from map(make_work(), range(count))
        return
    with workers.session():
        yield from parallel_map(make_work, count, workers.processes)
