"""Shards on their way to the actors of a pool, and what each actor has in hand."""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from factory.execution.shard_renderer import first_cases
from factory.planning.plan import Shard

MAX_ACTOR_LOSSES = 3
"""Actors that a case may kill before it is given up.

If a prefetched case kills its actor, the current shard is blamed instead. This happens at most
once, because a blamed shard is rendered again one case at a time, without prefetching.
"""

MAX_INFRASTRUCTURE_LOSSES = 10
"""Actors that a shard may lose together with their nodes before the shard itself is suspected."""

MAX_SHARDS_PER_RUN = 16
"""Shards of one subject that are reserved for one actor."""


@dataclass(eq=False)
class ShardTask:
    """A shard that waits for an actor, or is in the hands of one.

    Attributes:
        shard: What is to be rendered.
        tries: How many actors each case may have killed, by its offset in the shard; the last
            number counts those that were lost while the shard was written.
        given_up: Why a case is not tried again, by its offset.
        avoid: Nodes where this task lost an actor.
        infrastructure_losses: Actors that were lost with their node, which is not the shard's
            fault.
    """

    shard: Shard
    tries: list[int]
    given_up: dict[int, str] = field(default_factory=dict)
    avoid: set[str | None] = field(default_factory=set)
    infrastructure_losses: int = 0

    @staticmethod
    def of(shard: Shard) -> "ShardTask":
        return ShardTask(shard, [0] * (len(shard.cases) + 1))

    @property
    def is_suspect(self) -> bool:
        """Whether it is to be run a case at a time, to see which one it is."""
        return any(self.tries)

    def record_loss(self, offset: int | None) -> list[int]:
        """An actor was lost at this job; which cases are out of tries (writing: their number)."""
        every = range(len(self.tries)) if offset is None else [offset]
        for place in every:
            self.tries[place] += 1
        return [place for place in every if self.tries[place] >= MAX_ACTOR_LOSSES]


@dataclass(frozen=True, eq=False)
class ActorCall:
    """What an actor was told to do.

    task: None for its loading. offset: of one case; the number of cases for writing them; None
    for the whole shard.
    """

    task: ShardTask | None = None
    offset: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether the shard stands once this is done."""
        return self.task is not None and self.offset in (None, len(self.task.shard.cases))


@dataclass(eq=False)
class PoolMember:
    """An actor of the pool. jobs: what it was told, oldest first. node: its own, once loaded.
    ahead: shards kept for it, for it has the subject of the last one at hand."""

    handle: Any
    jobs: dict[Any, ActorCall]
    node: str | None = None
    ahead: deque[Shard] = field(default_factory=deque)

    @property
    def tasks(self) -> list[ShardTask]:
        """Those it has in hand, oldest first."""
        return list(dict.fromkeys(job.task for job in self.jobs.values() if job.task))

    def assign(self, task: ShardTask, ahead: int) -> None:
        """Hand it a shard: whole, with so many of the cases kept for it to begin ahead; or a case
        at a time where that is suspect."""
        run, shard = self.handle, task.shard
        if not task.is_suspect:
            self.jobs[run.render_shard.remote(shard, first_cases(self.ahead, ahead))] = ActorCall(
                task
            )
            return
        for offset in range(len(shard.cases) + 1):
            ref = run.render_part.remote(shard, offset, task.given_up.get(offset))
            self.jobs[ref] = ActorCall(task, offset)

    def forget(self, task: ShardTask) -> None:
        for ref in [ref for ref, job in self.jobs.items() if job.task is task]:
            del self.jobs[ref]


def runs_of_one_subject(shards: Iterator[Shard]) -> Iterator[list[Shard]]:
    """Shards that follow one another and begin with one subject: whoever has made it, and what its
    edits have in common, makes the next one faster."""
    for _, same in itertools.groupby(shards, lambda shard: shard.cases[0].subject["id"]):
        while run := list(itertools.islice(same, MAX_SHARDS_PER_RUN)):
            yield run
