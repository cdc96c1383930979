"""The actors of a pool: hired and dismissed as the cluster grows and shrinks."""

import time
from typing import Any

from factory.errors import RenderError
from factory.execution.ray.actor import Actor, ActorSettings
from factory.execution.ray.session import (
    Head,
    actors_that_fit,
    process_environment,
    resources_text,
)
from factory.execution.ray.tasks import MAX_ACTOR_LOSSES, ActorCall, PoolMember
from factory.execution.shard_renderer import error_text
from factory.progress import Progress

PATIENCE_SECONDS = 600.0
"""The run ends if for so long no actor has a place and has loaded."""

_LOOK_SECONDS = 2.0  # between two looks at the cluster
_NOTE_SECONDS = 30.0  # between two notes that no actor is ready
_MAX_PAUSE_SECONDS = 60.0  # before an actor is hired after others that did not load


class Staff:
    """The actors of a pool."""

    def __init__(
        self, settings: ActorSettings, head: Head, progress: Progress, max_actors: int | None
    ) -> None:
        """Prepare to hire actors.

        Args:
            settings: What all actors have in common.
            head: The head of the cluster.
            progress: Where notes are written.
            max_actors: The greatest number of actors, some of which may wait for a place; None for
                as many as the cluster has room for, now and later.
        """
        import ray

        self.settings, self.head, self.progress = settings, head, progress
        self.max_actors = max_actors
        self.resources = settings.needs.resources()
        variables = process_environment(settings.needs.threads)
        self.actor_class: Any = ray.remote(  # Ray's decorator gives no static type
            num_cpus=settings.needs.threads,
            num_gpus=settings.needs.gpus,
            memory=settings.needs.memory_bytes,
            runtime_env={"env_vars": variables},
        )(Actor)
        self.members: list[PoolMember] = []
        self.notes: set[str] = set()  # warnings that were shown already
        self.room = 0  # for so many actors, at the last look at the cluster
        self.last_look = 0.0
        self.failed_loads = 0  # actors in a row that did not load
        self.no_hiring_before = 0.0
        self.last_ready = self.last_note = time.monotonic()

    @property
    def has_ready_member(self) -> bool:
        """Whether an actor has loaded."""
        return any(member.node for member in self.members)

    def adjust(self, max_useful: int | None) -> None:
        """Hire or dismiss actors, so that they fit the cluster and the remaining work.

        Args:
            max_useful: The number of unfinished shards; None while more can be read.

        Raises:
            RenderError: If no actor was ready for PATIENCE_SECONDS.
            HeadLost: If the head of the cluster does not answer.
        """
        now = time.monotonic()
        if now - self.last_look > _LOOK_SECONDS:
            self.last_look = now
            if not self.head.check():
                return
            self.room = self.max_actors or actors_that_fit(self.resources)
        target = self.room if max_useful is None else min(self.room, max(1, max_useful))
        unplaced = [member for member in self.members if member.node is None]
        for member in unplaced[: max(0, len(self.members) - target)]:
            self.dismiss(member)
        while len(self.members) < target and now >= self.no_hiring_before:
            self._hire()
        self._check_readiness(now)

    def _hire(self) -> None:
        handle = self.actor_class.remote()
        loading = handle.load.remote(self.settings.make_worker, self.settings.shard_options)
        self.members.append(PoolMember(handle, {loading: ActorCall()}))

    def _check_readiness(self, now: float) -> None:
        """Note that no actor is ready, or end the run if that lasts too long."""
        if self.has_ready_member:
            self.last_ready = self.last_note = now
        elif now - self.last_ready > PATIENCE_SECONDS:
            raise RenderError(
                f"no renderer was ready in {PATIENCE_SECONDS:.0f} s: {self._needs_text()}"
            )
        elif now - self.last_note > _NOTE_SECONDS:
            self.last_note = now
            self.progress.note(f"no renderer is ready yet: {self._needs_text()}")

    def _needs_text(self) -> str:
        import ray

        cluster: dict[str, float] = ray.cluster_resources()
        available = {name: cluster.get(name, 0) for name in self.resources}
        return (
            f"each needs {resources_text(self.resources)}, the whole cluster has "
            f"{resources_text(available)}"
        )

    def dismiss(self, member: PoolMember) -> None:
        """Let an actor go; end its process."""
        import ray

        self.members.remove(member)
        if self.head.answers():  # otherwise ray.kill would wait for it
            ray.kill(member.handle)

    def dismiss_all(self) -> None:
        """Let all actors go."""
        import ray

        if self.head.answers():
            for member in self.members:
                ray.kill(member.handle)

    def load_succeeded(self, member: PoolMember, node: str, warnings: list[str]) -> None:
        """Note that an actor has loaded on a node; show new warnings once."""
        member.node, self.failed_loads = node, 0
        for line in warnings:
            if line not in self.notes:
                self.notes.add(line)
                self.progress.note(line)

    def load_failed(self, error: Exception, was_raised: bool) -> None:
        """Hire the next actor after a pause, or end the run if no other actor can go on.

        Args:
            error: The error.
            was_raised: Whether loading raised it; otherwise the actor died.

        Raises:
            Exception: The error, if no actor is ready and this one cannot be expected to be.
        """
        self.failed_loads += 1
        is_hopeless = was_raised or self.failed_loads >= MAX_ACTOR_LOSSES
        if is_hopeless and not self.has_ready_member:
            raise error
        pause = min(2.0 ** (self.failed_loads - 1), _MAX_PAUSE_SECONDS)
        self.no_hiring_before = time.monotonic() + pause
        if was_raised:
            self.progress.note(f"a renderer did not load: {error_text(error)}")
