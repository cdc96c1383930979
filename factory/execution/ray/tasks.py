"""Shards on their way to the actors of a pool, and the calls that each actor has received."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
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
    """A shard that waits for an actor, or that an actor has received.

    Attributes:
        shard: The shard.
        losses: How many actors each case may have killed, by its offset in the shard; the last
            number counts the actors that were lost while the shard was written.
        given_up: The reason why a case is not tried again, by its offset.
        avoid: Nodes where this task lost an actor.
        infrastructure_losses: Actors that were lost with their node, which is not the shard's
            fault.
    """

    shard: Shard
    losses: list[int]
    given_up: dict[int, str] = field(default_factory=dict)
    avoid: set[str | None] = field(default_factory=set)
    infrastructure_losses: int = 0

    @staticmethod
    def of(shard: Shard) -> "ShardTask":
        """Return the task of a shard that has not lost any actor."""
        return ShardTask(shard, [0] * (len(shard.cases) + 1))

    @property
    def is_suspect(self) -> bool:
        """Whether the shard is rendered one case at a time, to find the case that is to blame."""
        return any(self.losses)

    def record_loss(self, offset: int | None) -> list[int]:
        """Blame a case for the loss of an actor, or all cases if it is not known which.

        Args:
            offset: The case; the number of cases for the writing; None for the whole shard.

        Returns:
            The offsets of those that have now lost MAX_ACTOR_LOSSES actors.
        """
        offsets = range(len(self.losses)) if offset is None else [offset]
        for blamed in offsets:
            self.losses[blamed] += 1
        return [blamed for blamed in offsets if self.losses[blamed] >= MAX_ACTOR_LOSSES]


@dataclass(frozen=True, eq=False)
class ActorCall:
    """A call of an actor's method.

    Attributes:
        task: The shard's task; None for the actor's loading.
        offset: The case to be rendered; the number of cases for the writing; None for the whole
            shard at once.
    """

    task: ShardTask | None = None
    offset: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether the shard is written once this call has finished."""
        return self.task is not None and self.offset in (None, len(self.task.shard.cases))


@dataclass(eq=False)
class PoolMember:
    """An actor of the pool.

    Attributes:
        handle: Ray's handle of the actor, which has no static type.
        calls: The calls that have not finished, by Ray's reference, oldest first.
        node: The id of the actor's node, once it has loaded.
        reserved: Shards that are kept for this actor, because it has their subject in memory.
    """

    handle: Any
    calls: dict[Any, ActorCall]
    node: str | None = None
    reserved: deque[Shard] = field(default_factory=deque)

    @property
    def tasks(self) -> list[ShardTask]:
        """The tasks that the actor has received, oldest first."""
        return list(dict.fromkeys(call.task for call in self.calls.values() if call.task))

    def assign(self, task: ShardTask, ahead: int) -> None:
        """Call the actor for a shard: once, or once for each case if the shard is suspect.

        Args:
            task: The shard's task.
            ahead: How many of the reserved cases the actor may begin ahead.
        """
        actor, shard = self.handle, task.shard
        if not task.is_suspect:
            reference = actor.render_shard.remote(shard, first_cases(self.reserved, ahead))
            self.calls[reference] = ActorCall(task)
            return
        for offset in range(len(shard.cases) + 1):
            reference = actor.render_part.remote(shard, offset, task.given_up.get(offset))
            self.calls[reference] = ActorCall(task, offset)

    def forget(self, task: ShardTask) -> None:
        """Forget all calls of a task."""
        for reference in [ref for ref, call in self.calls.items() if call.task is task]:
            del self.calls[reference]


class ShardQueue:
    """The shards that no actor has received yet."""

    def __init__(self, shards: Iterator[Shard], ahead: int) -> None:
        """Take the shards of a run.

        Args:
            shards: They are read lazily.
            ahead: How many cases an actor begins ahead: so many shards are reserved for it.
        """
        self.runs = runs_of_one_subject(shards)
        self.ahead = ahead
        self.returned: deque[ShardTask] = deque()  # from actors that were lost
        self.is_exhausted = False  # all shards were read

    def next_for(self, member: PoolMember, members: Sequence[PoolMember]) -> ShardTask | None:
        """Return the next task for an actor; None if there is none.

        A task that lost an actor goes to another node if there is one. An actor without reserved
        shards takes one from the actor that has most.
        """
        nodes = {other.node for other in members if other.node}
        for task in self.returned:
            if member.node not in task.avoid or nodes <= task.avoid:
                self.returned.remove(task)
                return task
        while len(member.reserved) <= self.ahead and not self.is_exhausted:
            run = next(self.runs, [])
            member.reserved.extend(run)
            self.is_exhausted = not run
        if member.reserved:
            return ShardTask.of(member.reserved.popleft())
        richest = max(members, key=lambda other: len(other.reserved))
        return ShardTask.of(richest.reserved.pop()) if richest.reserved else None


def runs_of_one_subject(shards: Iterator[Shard]) -> Iterator[list[Shard]]:
    """Yield runs of consecutive shards that begin with the same subject.

    An actor that has made the subject, and what its edits share, renders the next shard faster.
    """
    for _, group in itertools.groupby(shards, lambda shard: shard.cases[0].subject["id"]):
        while run := list(itertools.islice(group, MAX_SHARDS_PER_RUN)):
            yield run
