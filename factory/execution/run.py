"""Render shards: on a pool of Ray actors, or one after the other in this process.

An actor renders and writes a shard as a whole. So the bytes of the dataset do not depend on the
number of actors, on their order, or on how many of them died.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from factory.execution.options import ActorNeeds, RunOptions, ShardOptions
from factory.execution.outcome import Report, RunOutcome
from factory.execution.shard_renderer import ShardRenderer, first_cases
from factory.execution.worker import Worker
from factory.planning.plan import Shard
from factory.progress import Progress


def execute(
    shards: Iterable[Shard],
    make_worker: Callable[[], Worker],
    *,
    samples: int,
    finished: int = 0,
    shard_options: ShardOptions = ShardOptions(),
    needs: ActorNeeds = ActorNeeds(),
    run: RunOptions = RunOptions(),
) -> Report:
    """Render and write shards, each once, in any order.

    Args:
        shards: The shards that are not finished; they are read lazily.
        make_worker: Makes the worker that renders, in each process; picklable.
        samples: The number of samples of the whole dataset, for the progress bar.
        finished: The number of samples that are finished already.
        shard_options: How a renderer works through its shards.
        needs: The resources of one actor.
        run: Where the work is done.

    Raises:
        ShardsFailed: If a shard failed, once all others are written.
        DatasetError: At once, if the output cannot be written.
        FactoryError: If Ray is lost or has no room.
        Exception: At once, an error from loading a worker, or an error that the first shards share.
        KeyboardInterrupt: After the actors are stopped; says how many samples are finished.
    """
    remaining = iter(shards)
    first = next(remaining, None)
    if first is None:
        return Report()
    remaining = itertools.chain([first], remaining)
    with Progress(samples, finished, run.progress) as progress:
        outcome = RunOutcome(progress)
        try:
            if run.serial:
                _run_serially(remaining, make_worker, outcome, shard_options)
            else:
                _run_on_ray(remaining, make_worker, outcome, shard_options, needs, run)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped: {progress.count} of {samples} samples stand; "
                "the same command goes on from there"
            ) from None
    return outcome.result()


def _run_on_ray(
    shards: Iterator[Shard],
    make_worker: Callable[[], Worker],
    outcome: RunOutcome,
    shard_options: ShardOptions,
    needs: ActorNeeds,
    run: RunOptions,
) -> None:
    """Run shards on a pool of actors."""
    from factory.execution.ray.actor import ActorSettings
    from factory.execution.ray.pool import Pool
    from factory.execution.ray.session import Head, ray_session

    cpus = run.actors * needs.threads if run.actors else None
    settings = ActorSettings(make_worker, shard_options, needs)
    with ray_session(run.address, cpus):
        Pool(settings, shards, outcome, Head(), run.actors).run()


def _run_serially(
    shards: Iterator[Shard],
    make_worker: Callable[[], Worker],
    outcome: RunOutcome,
    options: ShardOptions,
) -> None:
    """Run shards one after the other in this process."""
    worker = make_worker()
    worker.setup()
    renderer = ShardRenderer(worker, options, tolerates_any_error=True)
    next_shards = deque(itertools.islice(shards, 1 + options.ahead))
    try:
        while next_shards:
            shard = next_shards.popleft()
            try:
                failures = renderer.render_shard(shard, first_cases(next_shards, options.ahead))
            except Exception as error:
                outcome.shard_failed(shard, error)
            else:
                outcome.shard_written(shard, failures)
            next_shards.extend(itertools.islice(shards, 1))
    finally:
        worker.prefetch(())  # otherwise the process would wait at its end for all begun cases
