"""Numbered pieces of work, shared among processes of Ray's."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from factory.execution.ray.session import process_environment

T = TypeVar("T")


def parallel_map(make: Callable[[], Callable[[int], T]], count: int, workers: int) -> Iterator[T]:
    """What make()(i) gives for each i below count, in order, by the Ray that is running.

    Arguments:
        make: Called once in each process; what it loads there never travels.
        count: How many pieces there are.
        workers: Processes, of one torch thread each.

    Raises:
        Exception: What a piece of work raised, as it was raised.
    """
    import ray
    from ray.exceptions import RayTaskError
    from ray.util import ActorPool

    variables = {"env_vars": process_environment(threads=1)}
    actor = ray.remote(Worker).options(num_cpus=1, runtime_env=variables)
    pool: Any = ActorPool([actor.remote(make) for _ in range(min(workers, count))])
    try:
        yield from pool.map(lambda worker, number: worker.work.remote(number), range(count))
    except RayTaskError as error:
        raise error.cause from None


class Worker(Generic[T]):
    """One process, and what it has loaded."""

    def __init__(self, make: Callable[[], Callable[[int], T]]) -> None:
        self.make = make
        self.ready: Callable[[int], T] | None = None

    def work(self, number: int) -> T:
        self.ready = self.ready or self.make()
        return self.ready(number)
