"""Runs shards: a pool of Ray actors, or serially in this process.

Whoever runs a shard renders it whole and writes it whole, so nothing here is needed to get the
same bytes again: not the number of actors, not their order, not how often one died.
"""

import itertools
import os
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from factory.errors import RenderError
from factory.plan import Shard
from factory.progress import Progress
from factory.ray_session import ray_session
from factory.tally import Report, Tally
from factory.worker import Worker

IN_FLIGHT = 2
"""Shards handed to an actor at a time: the one it renders, and the next."""

TRIES = 3
"""How many actors a shard may take down with it before it counts as failed."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def execute(
    shards: Iterable[Shard],
    make_worker: Callable[[], Worker],
    *,
    samples: int,
    standing: int = 0,
    serial: bool = False,
    address: str | None = None,
    actors: int | None = None,
    threads: int = 1,
    gpus: float = 0,
    show_progress: bool = True,
) -> Report:
    """Render and write shards, each once, in any order.

    shards: those that do not stand yet, taken lazily. make_worker: picklable. samples, standing:
    how many the dataset is to have and has, for the progress bar. serial: in this process.
    address: of a Ray cluster to join, else a Ray of our own. actors: by default as many as
    the CPUs give. threads, gpus: of one actor.

    Raises ShardsFailed once all the others stand; at once, what a worker's setup raises, a
    DatasetError (the output cannot be written), and an error in which the first shards all agree.
    KeyboardInterrupt, passed on after the actors are stopped, says what stands.
    """
    todo = iter(shards)
    first = next(todo, None)
    if first is None:
        return Report()
    todo = itertools.chain([first], todo)
    with Progress(samples, standing, show_progress) as progress:
        tally = Tally(progress)
        try:
            if serial:
                _run_serially(todo, make_worker, tally)
            else:
                with ray_session(address, actors * threads if actors else None):
                    count = _count(actors, threads)
                    _run_on_ray(todo, make_worker, tally, count, threads, gpus)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped: {progress.count} of {samples} samples stand; "
                "the same command goes on from there"
            ) from None
    return tally.close()


def _run_serially(shards: Iterator[Shard], make_worker: Callable[[], Worker], tally: Tally) -> None:
    worker = make_worker()
    worker.setup()
    for shard in shards:
        try:
            worker.run(shard)
        except Exception as error:
            tally.failed(shard, error)
        else:
            tally.stands(shard)


class _Actor:
    """A worker in a process of its own."""

    def setup(self, make_worker: Callable[[], Worker]) -> None:
        self.worker = make_worker()
        self.worker.setup()

    def run(self, shard: Shard) -> None:
        self.worker.run(shard)


@dataclass(eq=False)
class _Member:
    """An actor of the pool. jobs: what it was handed, oldest first; None stands for its setup."""

    handle: Any
    jobs: dict[Any, Shard | None]

    @property
    def is_ready(self) -> bool:
        return None not in self.jobs.values()


def _run_on_ray(
    shards: Iterator[Shard],
    make_worker: Callable[[], Worker],
    tally: Tally,
    actors: int,
    threads: int,
    gpus: float,
) -> None:
    """A pool of actors. One that dies is replaced and its shards go to whoever is free."""
    import ray

    variables = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    environment = {"env_vars": {**variables, "PYTHONPATH": os.pathsep.join(_own_paths())}}
    remote: Any = ray.remote(num_cpus=threads, num_gpus=gpus, runtime_env=environment)(_Actor)

    def hire() -> _Member:
        handle = remote.remote()
        return _Member(handle, {handle.setup.remote(make_worker): None})

    pool = [hire() for _ in range(actors)]
    again: deque[Shard] = deque()
    deaths: dict[int | None, int] = {}
    exhausted = False
    try:
        while True:
            for place in range(IN_FLIGHT):  # everyone gets a first shard before a second
                for member in pool:
                    if member.is_ready and len(member.jobs) == place and not exhausted:
                        shard = again.popleft() if again else next(shards, None)
                        exhausted = shard is None
                        if shard is not None:
                            member.jobs[member.handle.run.remote(shard)] = shard
            busy = {job: member for member in pool for job in member.jobs}
            if exhausted and not any(member.is_ready and member.jobs for member in pool):
                return
            finished, _ = ray.wait(list(busy), num_returns=1, timeout=1.0)
            for job in finished:
                member = busy[job]
                if job not in member.jobs:
                    continue
                try:
                    ray.get(job)
                except ray.exceptions.RayTaskError as error:
                    shard = member.jobs.pop(job)
                    if shard is None:
                        raise _cause(error) from None
                    tally.failed(shard, _cause(error))
                except ray.exceptions.RayError:  # the actor is gone, or out of reach
                    ray.kill(member.handle)
                    pool[pool.index(member)] = hire()
                    again.extend(_bury(member, deaths, tally))
                    exhausted = False
                else:
                    shard = member.jobs.pop(job)
                    if shard is None:
                        deaths.pop(None, None)
                    else:
                        tally.stands(shard)
    finally:
        for member in pool:
            ray.kill(member.handle)


def _bury(member: _Member, deaths: dict[int | None, int], tally: Tally) -> list[Shard]:
    """The shards of a dead actor that are to be tried again.

    The one it died of is the oldest it had not finished; the rest only waited behind it.
    """
    import ray

    waiting = []
    blamed = False
    for job, shard in member.jobs.items():
        try:
            ray.get(job)
        except ray.exceptions.RayTaskError as error:
            if shard is not None:
                tally.failed(shard, _cause(error))
        except ray.exceptions.RayError as error:
            key = None if shard is None else shard.index
            if not blamed:
                deaths[key] = deaths.get(key, 0) + 1
            blamed = True
            if deaths.get(key, 0) < TRIES:
                waiting += [] if shard is None else [shard]
            elif shard is None:
                raise RenderError(
                    f"{TRIES} renderers in a row died while loading, killed from outside or out "
                    f"of memory ({str(error).splitlines()[0]}); try fewer --actors"
                ) from error
            else:
                death = RenderError(f"took {TRIES} renderers down, out of memory or killed")
                tally.failed(shard, death)
        else:
            if shard is not None:
                tally.stands(shard)
    return waiting


def _own_paths() -> list[str]:
    """Where this process finds modules besides Python's own: actors are to find the same ones."""
    pythons = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
    return [path for path in sys.path if path and not path.startswith(pythons)]


def _cause(error: Any) -> Exception:
    return error.cause if isinstance(error.cause, Exception) else error


def _count(actors: int | None, threads: int) -> int:
    """As many actors as asked for, or as the CPUs give."""
    import ray

    return actors or max(1, int(ray.cluster_resources().get("CPU", 1) // threads))
