"""Runs shards: a pool of Ray actors, or serially in this process.

Whoever runs a shard renders it whole and writes it whole, so nothing here is needed to get the
same bytes again: not the number of actors, not their order, not how often one died.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from factory.execution.options import RunOptions
from factory.execution.outcome import Report, RunOutcome
from factory.execution.ray.session import Head, process_environment, ray_session
from factory.execution.shard_renderer import ShardRenderer, first_cases
from factory.execution.worker import Worker
from factory.planning.plan import Shard
from factory.progress import Progress


@dataclass(frozen=True)
class ActorNeeds:
    """What one actor takes. memory: bytes; 0 leaves it to the plan."""

    threads: int = 1
    gpus: float = 0
    memory: int = 0


def execute(
    shards: Iterable[Shard],
    make_worker: Callable[[], Worker],
    *,
    samples: int,
    standing: int = 0,
    ahead: int = 0,
    keep_going: bool = False,
    actor: ActorNeeds = ActorNeeds(),
    run: RunOptions = RunOptions(),
) -> Report:
    """Render and write shards, each once, in any order.

    Arguments:
        shards: Those that do not stand yet, taken lazily.
        make_worker: Makes what renders, in each process; picklable.
        samples: How many the dataset is to have, for the progress bar.
        standing: How many it has.
        ahead: How many cases a renderer begins beside the one in hand
            (factory.rendering.lookahead).
        keep_going: Cases that cannot be rendered get a vacant place
            (factory.execution.placeholder); else their shards fail.
        actor: What one actor takes.
        run: Where it is done.

    Raises:
        ShardsFailed: Once all the others stand.
        DatasetError: At once, where the output cannot be written.
        FactoryError: Where Ray is lost or has no room.
        Exception: At once, what loading a worker raises, or an error in which the first shards all
            agree.
        KeyboardInterrupt: Passed on after the actors are stopped; says what stands.
    """
    todo = iter(shards)
    first = next(todo, None)
    if first is None:
        return Report()
    todo = itertools.chain([first], todo)
    with Progress(samples, standing, run.progress) as progress:
        outcome = RunOutcome(progress)
        try:
            if run.serial:
                _run_serially(todo, make_worker, outcome, keep_going, ahead)
            else:
                from factory.execution.ray.pool import Pool

                cpus = run.actors * actor.threads if run.actors else None
                with ray_session(run.address, cpus):
                    Pool(
                        make_worker,
                        todo,
                        outcome,
                        Head(),
                        needs={"CPU": actor.threads, "GPU": actor.gpus, "memory": actor.memory},
                        most=run.actors,
                        ahead=ahead,
                        keep_going=keep_going,
                        environment=process_environment(actor.threads),
                    ).run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped: {progress.count} of {samples} samples stand; "
                "the same command goes on from there"
            ) from None
    return outcome.result()


def _run_serially(
    shards: Iterator[Shard],
    make_worker: Callable[[], Worker],
    outcome: RunOutcome,
    keep_going: bool,
    ahead: int,
) -> None:
    worker = make_worker()
    worker.setup()
    renderer = ShardRenderer(worker, keep_going, whatever=True, ahead=ahead)
    coming = deque(itertools.islice(shards, 1 + ahead))
    try:
        while coming:
            shard = coming.popleft()
            try:
                failures = renderer.render_shard(shard, first_cases(coming, ahead))
            except Exception as error:
                outcome.shard_failed(shard, error)
            else:
                outcome.shard_written(shard, failures)
            coming.extend(itertools.islice(shards, 1))
    finally:
        worker.prefetch(())  # or the process, at its end, would wait for all that was begun
