"""A pool of Ray actors that outlives its members: actors, nodes and places that come and go.

Plain actors, `ray.wait` and a queue of our own, rather than Ray's max_task_retries or the actor
pool of Ray Data, after what tests/campaigns/ray_choices.py shows. An actor's calls are bound to it:
with its node gone for good, a retried call waits for ever. Ray Data runs a case that kills its
actor again without end. Here the driver knows what each actor was at: what it died of is blamed,
what only waited behind it is not, and either goes to whoever is free.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from factory.errors import RenderError
from factory.execution.outcome import RunOutcome
from factory.execution.ray.actor import Actor
from factory.execution.ray.session import Head, amounts, answers, room
from factory.execution.ray.tasks import (
    MAX_ACTOR_LOSSES,
    MAX_INFRASTRUCTURE_LOSSES,
    ActorCall,
    PoolMember,
    ShardTask,
    runs_of_one_subject,
)
from factory.execution.shard_renderer import error_text, is_case_error
from factory.execution.worker import Worker
from factory.planning.plan import Shard
from factory.storage.errors import DatasetError

IN_FLIGHT = 2
"""Shards handed to an actor at a time: the one it renders, and the next."""

PATIENCE = 600.0
"""Seconds without a single actor that has a place and has loaded, after which the run ends."""

_LOOK_SECONDS = 2.0  # between two looks at the cluster
_NOTE_SECONDS = 30.0  # between two notes that nobody is ready
_PAUSE_SECONDS = 60.0  # the longest, before an actor is hired after others that did not load


class Pool:
    """Runs shards on actors.

    needs: resources of one actor, as Ray names them. most: actors at a time, of which those that
    find no place wait for one; None for as many as the cluster has room for, now and later.
    ahead: cases that an actor begins beside the one in hand. environment: variables of the actors'
    processes.

    Raises what loading raises, and RenderError where all actors die of it or none gets ready;
    HeadLost; as Tally.
    """

    def __init__(
        self,
        make_worker: Callable[[], Worker],
        shards: Iterator[Shard],
        outcome: RunOutcome,
        head: Head,
        *,
        needs: Mapping[str, float],
        most: int | None,
        ahead: int,
        keep_going: bool,
        environment: Mapping[str, str],
    ) -> None:
        import ray

        self.make_worker, self.outcome, self.head = make_worker, outcome, head
        self.needs = {name: count for name, count in needs.items() if count}
        self.most, self.ahead, self.keep_going = most, ahead, keep_going
        self.remote: Any = ray.remote(
            num_cpus=needs["CPU"],
            num_gpus=needs.get("GPU", 0),
            memory=needs.get("memory", 0),
            runtime_env={"env_vars": dict(environment)},
        )(Actor)
        self.members: list[PoolMember] = []
        self.said: set[str] = set()  # warnings of actors that loaded
        self.runs = runs_of_one_subject(shards)
        self.again: deque[ShardTask] = deque()
        self.exhausted = False
        self.room = 0  # for so many actors, at the last look at the cluster
        self.looked = 0.0
        self.unloaded = 0  # actors in a row that did not load
        self.not_before = 0.0  # nobody is hired
        self.ready = self.noted = time.monotonic()  # when an actor last was ready

    def run(self) -> None:
        """Until every shard stands or has failed."""
        import ray

        try:
            while True:
                self._staff()
                self._hand_out()
                if self.exhausted and not self._unfinished():
                    return
                self._collect()
        finally:
            if self.head.answers():
                for member in self.members:
                    ray.kill(member.handle)

    # Members

    def _staff(self) -> None:
        """Hire and dismiss, as the cluster has grown or shrunk."""
        now = time.monotonic()
        if now - self.looked > _LOOK_SECONDS:
            self.looked = now
            if not self.head.check():
                return
            self.room = self.most or room(self.needs)
        wanted = min(self.room, max(1, self._unfinished())) if self.exhausted else self.room
        unplaced = [member for member in self.members if member.node is None]
        for member in unplaced[: max(0, len(self.members) - wanted)]:
            self._dismiss(member)
        while len(self.members) < wanted and now >= self.not_before:
            handle = self.remote.remote()
            loading = handle.load.remote(self.make_worker, self.keep_going, self.ahead)
            self.members.append(PoolMember(handle, {loading: ActorCall()}))
        if any(member.node for member in self.members):
            self.ready = self.noted = now
        elif now - self.ready > PATIENCE:
            raise RenderError(f"no renderer was ready in {PATIENCE:.0f} s: {self._asked()}")
        elif now - self.noted > _NOTE_SECONDS:
            self.noted = now
            self.outcome.progress.note(f"no renderer is ready yet: {self._asked()}")

    def _asked(self) -> str:
        import ray

        have = ray.cluster_resources()
        return (
            f"each needs {amounts(self.needs)}, the whole cluster has "
            f"{amounts({name: have.get(name, 0) for name in self.needs})}"
        )

    def _dismiss(self, member: PoolMember) -> None:
        import ray

        self.members.remove(member)
        self.again.extend(ShardTask.of(shard) for shard in member.ahead)
        if self.head.answers():  # else this would wait for it
            ray.kill(member.handle)

    def _did_not_load(self, error: Exception, raised: bool) -> None:
        """Hire the next after a pause; end the run where nobody is left to go on with it."""
        self.unloaded += 1
        if not any(member.node for member in self.members) and (
            raised or self.unloaded >= MAX_ACTOR_LOSSES
        ):
            raise error
        self.not_before = time.monotonic() + min(2.0 ** (self.unloaded - 1), _PAUSE_SECONDS)
        if raised:
            self.outcome.progress.note(f"a renderer did not load: {error_text(error)}")

    # Work

    def _unfinished(self) -> int:
        held = sum(len(member.tasks) + len(member.ahead) for member in self.members)
        return len(self.again) + held

    def _hand_out(self) -> None:
        for place in range(IN_FLIGHT):  # everyone gets a first shard before a second
            for member in self.members:
                if member.node and len(member.tasks) == place:
                    task = self._next_for(member)
                    if task is not None:
                        member.assign(task, self.ahead)

    def _next_for(self, member: PoolMember) -> ShardTask | None:
        """What to do next. What took an actor down goes to another node, if there is one."""
        nodes = {other.node for other in self.members if other.node}
        for task in self.again:
            if member.node not in task.avoid or nodes <= task.avoid:
                self.again.remove(task)
                return task
        while len(member.ahead) <= self.ahead and not self.exhausted:
            run = next(self.runs, [])
            member.ahead.extend(run)
            self.exhausted = not run
        if member.ahead:
            return ShardTask.of(member.ahead.popleft())
        richest = max(self.members, key=lambda other: len(other.ahead))
        return ShardTask.of(richest.ahead.pop()) if richest.ahead else None

    def _collect(self) -> None:
        """Wait a moment for something to finish, and see what came of it."""
        import ray

        busy = {ref: member for member in self.members for ref in member.jobs}
        if not busy:
            time.sleep(0.1)
            return
        finished, _ = ray.wait(list(busy), num_returns=1, timeout=1.0, fetch_local=False)
        for ref in finished:
            self._settle(busy[ref], ref)

    def _settle(self, member: PoolMember, ref: Any) -> None:
        """Take note of what came of a job."""
        import ray

        job = member.jobs[ref]
        try:
            came = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            if job.task is None:
                self._dismiss(member)
                self._did_not_load(cause, raised=True)
            elif is_case_error(cause) or isinstance(cause, DatasetError):
                member.forget(job.task)
                self.outcome.shard_failed(job.task.shard, cause)
            else:  # a mistake of ours, or its process is not sound any more
                self._bury(member, error_text(cause))
        except ray.exceptions.RayError as error:
            memory = isinstance(error, ray.exceptions.OutOfMemoryError)
            why = "out of memory" if memory else "out of memory or killed"
            lost = not memory and member.node is not None and not self._is_up(member.node)
            self._bury(
                member,
                None if lost else f"took {MAX_ACTOR_LOSSES} renderers down, {why}",
                str(error),
            )
        else:
            del member.jobs[ref]
            self._done(member, job, came)

    def _done(self, member: PoolMember, job: ActorCall, came: Any) -> None:
        if job.task is None:
            (member.node, said), self.unloaded = came, 0
            for line in said:
                if line not in self.said:
                    self.said.add(line)
                    self.outcome.progress.note(line)
        elif job.is_last and came is not None:  # None: a case failed, whose news comes yet
            self.outcome.shard_written(job.task.shard, came)

    # Deaths

    def _bury(self, member: PoolMember, why: str | None, said: str = "") -> None:
        """Let go of an actor that is lost, and queue again what it had in hand.

        why: what to say of the job it was lost at, its oldest; None where its node was lost.
        said: by Ray.
        """
        self._dismiss(member)
        gone = "a renderer was lost" if why else "a renderer was lost with its node"
        self.outcome.progress.note(f"{gone}; what it had in hand goes to the others")
        left = {ref: job for ref, job in member.jobs.items() if not self._is_done(member, ref, job)}
        first, *_ = left.values()
        again = list(dict.fromkeys(job.task for job in left.values() if job.task))
        if first.task is None:
            self._did_not_load(
                RenderError(
                    f"{MAX_ACTOR_LOSSES} renderers in a row died while loading, killed from "
                    f"outside or out of memory ({said.partition(chr(10))[0]}); try fewer --actors"
                ),
                raised=False,
            )
        elif why is None and first.task.infrastructure_losses < MAX_INFRASTRUCTURE_LOSSES:
            first.task.infrastructure_losses += 1
        elif self._is_hopeless(first.task, first.offset, why or "lost its node too often"):
            again.remove(first.task)
        else:
            first.task.avoid.add(member.node)
        self.again.extend(again)

    def _is_done(self, member: PoolMember, ref: Any, job: ActorCall) -> bool:
        """Whether a lost actor had finished a job; then what came of it is noted."""
        import ray

        if not ray.wait([ref], timeout=0, fetch_local=False)[0]:
            return False
        try:
            came = ray.get(ref)
        except ray.exceptions.RayError:
            return False
        if came is None:  # it came after what failed, and did nothing
            return False
        self._done(member, job, came)
        return True

    def _is_hopeless(self, task: ShardTask, offset: int | None, why: str) -> bool:
        """Blame a task for the loss of an actor. Whether its shard has failed by that."""
        shard = task.shard
        for place in task.record_loss(offset):
            case = shard.cases[place].id if place < len(shard.cases) else "its writing"
            if not self.keep_going or place == len(shard.cases):
                self.outcome.shard_failed(shard, RenderError(f"{case}: {why}"))
                return True
            task.given_up[place] = why
        return False

    def _is_up(self, node: str) -> bool:
        """Whether a node still answers; its head learns of a loss only after a while."""
        import ray

        if not self.head.answers():  # else this would wait for it
            return False
        return any(
            known["NodeID"] == node
            and known["Alive"]
            and answers(known["NodeManagerAddress"], known["NodeManagerPort"])
            for known in ray.nodes()
        )
