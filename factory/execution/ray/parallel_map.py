"""Share numbered pieces of work among Ray processes."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from factory.execution.ray.session import process_environment

T = TypeVar("T")


def parallel_map(make: Callable[[], Callable[[int], T]], count: int, workers: int) -> Iterator[T]:
    """Yield make()(i) for each i below count, in order, computed by the running Ray.

    Args:
        make: Called once in each process, so what it loads is not sent between processes.
        count: The number of pieces.
        workers: The number of processes, each with one torch thread.

    Raises:
        Exception: The error that a piece of work raised.
    """
    import ray
    from ray.exceptions import RayTaskError
    from ray.util import ActorPool

    variables = {"env_vars": process_environment(threads=1)}
    actor = ray.remote(MapWorker).options(num_cpus=1, runtime_env=variables)
    pool: Any = ActorPool([actor.remote(make) for _ in range(min(workers, count))])  # untyped
    try:
        yield from pool.map(lambda worker, number: worker.work.remote(number), range(count))
    except RayTaskError as error:
        raise error.cause from None


class MapWorker(Generic[T]):
    """One process and the function that it has made."""

    def __init__(self, make: Callable[[], Callable[[int], T]]) -> None:
        self.make = make
        self.function: Callable[[int], T] | None = None

    def work(self, number: int) -> T:
        """Do one piece of work."""
        self.function = self.function or self.make()
        return self.function(number)
