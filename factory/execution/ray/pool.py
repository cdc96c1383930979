"""A pool of Ray actors that renders shards though actors and nodes come and go.

It uses plain actors, `ray.wait` and its own queue instead of Ray's `max_task_retries` or the actor
pool of Ray Data; tests/campaigns/ray_choices.py shows why. A call is bound to its actor: if the
actor's node is gone for good, a retried call waits for ever. Ray Data runs a case that kills its
actor again without end.

Here the driver knows what each actor was doing. If an actor is lost, only the shard that it was
rendering is blamed, that is, the shard of its oldest unfinished call. This shard and those behind
it go to the actors that are free. The states of a shard:

    waiting ───► rendered at once ───► written
       ▲            │
       │            ├─ a case raises its own error ──────────► failed; with keep_going it gets a
       │            │                                          placeholder, and the shard is written
       │            ├─ the actor is lost with its node,
       ├────────────┤  at most 10 times: nobody is blamed
       ├────────────┤  the actor is lost at an older shard: nobody is blamed
       │            │
       │            └─ the actor is lost, or a case raises an unexpected error:
       │               every case and the writing are blamed once
       │                  │
       │                  ▼
       │               suspect: waits for an actor, on another node if there is one
       │                  │ ▲
       │                  ▼ │ at most 2 losses: the case is blamed, the shard stays suspect
       │               rendered one case at a time ───► written
       │                  │
       │                  ├─ a case is blamed 3 times, with keep_going: it gets a placeholder,
       │                  │  the shard stays suspect
       │                  └─ a case is blamed 3 times, without keep_going;
       │                     or the writing is blamed 3 times ──────────────► failed
       │
    the next shard of the plan

A failed shard does not stop the others, but a DatasetError ends the run, since every shard would
meet it. An actor is lost if its process dies or raises an unexpected error: such a process is not
trusted any more. An actor that is lost while loading blames no shard; see `Staff.load_failed`.
"""

import time
from collections.abc import Iterator
from typing import Any

from factory.errors import RenderError
from factory.execution.outcome import RunOutcome
from factory.execution.ray.actor import ActorSettings
from factory.execution.ray.session import Head, is_listening
from factory.execution.ray.staff import Staff
from factory.execution.ray.tasks import (
    MAX_ACTOR_LOSSES,
    MAX_INFRASTRUCTURE_LOSSES,
    ActorCall,
    PoolMember,
    ShardQueue,
    ShardTask,
)
from factory.execution.shard_renderer import error_text, is_case_error
from factory.planning.plan import Shard
from factory.storage.errors import DatasetError

IN_FLIGHT = 2
"""Shards that an actor has received at a time: the one that it renders, and the next."""


class Pool:
    """Runs shards on actors. See the module's docstring for retries and blame."""

    def __init__(
        self,
        settings: ActorSettings,
        shards: Iterator[Shard],
        outcome: RunOutcome,
        head: Head,
        max_actors: int | None,
    ) -> None:
        """Take the shards of a run.

        Args:
            settings: What all actors have in common.
            shards: They are read lazily.
            outcome: Where finished and failed shards are counted.
            head: The head of the cluster.
            max_actors: The greatest number of actors; None for as many as fit.
        """
        self.outcome, self.head = outcome, head
        self.options = settings.shard_options
        self.staff = Staff(settings, head, outcome.progress, max_actors)
        self.queue = ShardQueue(shards, self.options.ahead)

    def run(self) -> None:
        """Run until every shard is written or has failed.

        Raises:
            RenderError: If all actors die while loading, or none gets ready.
            HeadLost: If the head of the cluster does not answer.
            Exception: What loading raises; and see `RunOutcome.shard_failed`.
        """
        try:
            while True:
                self.staff.adjust(self._unfinished() if self.queue.is_exhausted else None)
                self._hand_out()
                if self.queue.is_exhausted and not self._unfinished():
                    return
                self._collect()
        finally:
            self.staff.dismiss_all()

    def _unfinished(self) -> int:
        """Count the shards that were read and are neither written nor failed."""
        members = self.staff.members
        received = sum(len(member.tasks) + len(member.reserved) for member in members)
        return len(self.queue.returned) + received

    def _hand_out(self) -> None:
        """Give each ready actor its first shard, and then each its second."""
        for received in range(IN_FLIGHT):
            for member in self.staff.members:
                if member.node and len(member.tasks) == received:
                    task = self.queue.next_for(member, self.staff.members)
                    if task is not None:
                        member.assign(task, self.options.ahead)

    def _collect(self) -> None:
        """Wait up to a second for a call to finish, and handle its result."""
        import ray

        callers = {ref: member for member in self.staff.members for ref in member.calls}
        if not callers:
            time.sleep(0.1)
            return
        finished, _ = ray.wait(list(callers), num_returns=1, timeout=1.0, fetch_local=False)
        for reference in finished:
            self._handle_result(callers[reference], reference)

    def _handle_result(self, member: PoolMember, reference: Any) -> None:
        """Handle the result or the error of a finished call."""
        import ray

        call = member.calls[reference]
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            self._handle_error(member, call, cause)
        except ray.exceptions.RayError as error:
            is_memory = isinstance(error, ray.exceptions.OutOfMemoryError)
            reason = "out of memory" if is_memory else "out of memory or killed"
            lost_node = not is_memory and member.node is not None and not self._is_up(member.node)
            self._replace(
                member,
                None if lost_node else f"took {MAX_ACTOR_LOSSES} renderers down, {reason}",
                str(error),
            )
        else:
            del member.calls[reference]
            self._accept_result(member, call, result)

    def _handle_error(self, member: PoolMember, call: ActorCall, error: Exception) -> None:
        """Handle an error that a call raised while its actor lived on."""
        if call.task is None:
            self.staff.dismiss(member)
            self.staff.load_failed(error, was_raised=True)
        elif is_case_error(error) or isinstance(error, DatasetError):
            member.forget(call.task)
            self.outcome.shard_failed(call.task.shard, error)
        else:  # an error in our code, or the process is damaged
            self._replace(member, error_text(error))

    def _accept_result(self, member: PoolMember, call: ActorCall, result: Any) -> None:
        """Handle the result of a successful call.

        Args:
            member: The actor.
            call: The call.
            result: Of loading, the node and warnings; of rendering, the failures, or None if the
                call did nothing because a case before it failed, which is handled on its own.
        """
        if call.task is None:
            self.staff.load_succeeded(member, *result)
        elif call.is_last and result is not None:
            self.outcome.shard_written(call.task.shard, result)

    def _replace(self, member: PoolMember, reason: str | None, ray_message: str = "") -> None:
        """Let a lost actor go, blame its oldest call, and return its shards to the queue.

        Args:
            member: The actor.
            reason: Why its oldest call is to blame; None if the actor was lost with its node.
            ray_message: Ray's own message.
        """
        self.staff.dismiss(member)
        self.queue.returned.extend(ShardTask.of(shard) for shard in member.reserved)
        loss = "a renderer was lost" if reason else "a renderer was lost with its node"
        self.outcome.progress.note(f"{loss}; its shards go to the others")
        unfinished = [
            call
            for reference, call in member.calls.items()
            if not self._had_finished(member, reference, call)
        ]
        oldest = unfinished[0]
        tasks = list(dict.fromkeys(call.task for call in unfinished if call.task))
        if oldest.task is None:
            first_line = ray_message.partition("\n")[0]
            self.staff.load_failed(
                RenderError(
                    f"{MAX_ACTOR_LOSSES} renderers in a row died while loading, killed from "
                    f"outside or out of memory ({first_line}); try fewer --actors"
                ),
                was_raised=False,
            )
        elif reason is None and oldest.task.infrastructure_losses < MAX_INFRASTRUCTURE_LOSSES:
            oldest.task.infrastructure_losses += 1
        elif self._blame(oldest.task, oldest.offset, reason or "lost its node too often"):
            oldest.task.avoid.add(member.node)
        else:
            tasks.remove(oldest.task)
        self.queue.returned.extend(tasks)

    def _had_finished(self, member: PoolMember, reference: Any, call: ActorCall) -> bool:
        """Return whether a lost actor had finished a call, and accept its result if so."""
        import ray

        if not ray.wait([reference], timeout=0, fetch_local=False)[0]:
            return False
        try:
            result = ray.get(reference)
        except ray.exceptions.RayError:
            return False
        if result is None:  # the call came after a failed case, and did nothing
            return False
        self._accept_result(member, call, result)
        return True

    def _blame(self, task: ShardTask, offset: int | None, reason: str) -> bool:
        """Blame a task for the loss of an actor; return whether it is tried again."""
        shard = task.shard
        for blamed in task.record_loss(offset):
            name = shard.cases[blamed].id if blamed < len(shard.cases) else "its writing"
            if not self.options.keep_going or blamed == len(shard.cases):
                self.outcome.shard_failed(shard, RenderError(f"{name}: {reason}"))
                return False
            task.given_up[blamed] = reason
        return True

    def _is_up(self, node_id: str) -> bool:
        """Return whether a node still answers; its head learns of a loss only after a while."""
        import ray

        if not self.head.answers():  # otherwise ray.nodes would wait for it
            return False
        nodes: list[dict[str, Any]] = ray.nodes()
        return any(
            node["NodeID"] == node_id
            and node["Alive"]
            and is_listening(node["NodeManagerAddress"], node["NodeManagerPort"])
            for node in nodes
        )
