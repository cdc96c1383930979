"""Runs shards: a pool of Ray actors, or serially in this process.

Whoever runs a shard renders it whole and writes it whole, so nothing here is needed to get the
same bytes again: not the number of actors, not their order, not how often one died.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from factory.execution.outcome import Report, Tally
from factory.execution.ray.session import Head, process_environment, ray_session
from factory.execution.shard_renderer import ShardMaker, first_cases
from factory.execution.worker import Worker
from factory.planning.plan import Shard
from factory.progress import Progress


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
    memory: int = 0,
    ahead: int = 0,
    keep_going: bool = False,
    show_progress: bool = True,
) -> Report:
    """Render and write shards, each once, in any order.

    shards: those that do not stand yet, taken lazily. make_worker: picklable. samples, standing:
    how many the dataset is to have and has, for the progress bar. serial: in this process.
    address: of a Ray cluster to join, else a Ray of our own. actors: by default as many as
    there is room for. threads, gpus, memory (bytes, 0 to leave it to the plan): of one actor.
    ahead: how many cases a renderer begins beside the one in hand (factory.rendering.lookahead).
    keep_going: cases that cannot be rendered get a vacant place (factory.execution.placeholder),
    else their shards fail.

    Raises ShardsFailed once all the others stand; at once, what loading a worker raises, a
    DatasetError (the output cannot be written), an error in which the first shards all agree, and
    FactoryError where Ray is lost or has no room. KeyboardInterrupt, passed on after the actors
    are stopped, says what stands.
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
                _run_serially(todo, make_worker, tally, keep_going, ahead)
            else:
                from factory.execution.ray.pool import Pool

                with ray_session(address, actors * threads if actors else None):
                    Pool(
                        make_worker,
                        todo,
                        tally,
                        Head(),
                        needs={"CPU": threads, "GPU": gpus, "memory": memory},
                        most=actors,
                        ahead=ahead,
                        keep_going=keep_going,
                        environment=process_environment(threads),
                    ).run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped: {progress.count} of {samples} samples stand; "
                "the same command goes on from there"
            ) from None
    return tally.close()


def _run_serially(
    shards: Iterator[Shard],
    make_worker: Callable[[], Worker],
    tally: Tally,
    keep_going: bool,
    ahead: int,
) -> None:
    worker = make_worker()
    worker.setup()
    maker = ShardMaker(worker, keep_going, whatever=True, ahead=ahead)
    coming = deque(itertools.islice(shards, 1 + ahead))
    try:
        while coming:
            shard = coming.popleft()
            try:
                failures = maker.whole(shard, first_cases(coming, ahead))
            except Exception as error:
                tally.failed(shard, error)
            else:
                tally.stands(shard, failures)
            coming.extend(itertools.islice(shards, 1))
    finally:
        worker.expect(())  # or the process, at its end, would wait for all that was begun
