"""The actor: a worker in its own Ray process."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from factory.case import Case
from factory.execution.options import ActorNeeds, ShardOptions
from factory.execution.shard_renderer import Failures, ShardRenderer
from factory.execution.worker import Worker
from factory.planning.plan import Shard


@dataclass(frozen=True)
class ActorSettings:
    """What all actors of a pool have in common.

    Attributes:
        make_worker: Makes the worker, in the actor's process; picklable.
        shard_options: How an actor works through its shards.
        needs: The resources of an actor.
    """

    make_worker: Callable[[], Worker]
    shard_options: ShardOptions
    needs: ActorNeeds


class WarningCollector(logging.Handler):
    """Collects logged warnings, so that the driver can show them to the user."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Add the message of a record."""
        self.lines.append(record.getMessage())


class Actor:
    """Renders shards in a Ray process. The pool calls `load` first."""

    def load(
        self, make_worker: Callable[[], Worker], options: ShardOptions
    ) -> tuple[str, list[str]]:
        """Make the worker; return the id of its node and the warnings of loading."""
        import ray

        worker, collector = make_worker(), WarningCollector()
        logging.getLogger("factory.models").addHandler(collector)
        worker.setup()
        logging.getLogger("factory.models").removeHandler(collector)
        self.renderer = ShardRenderer(worker, options)
        return str(ray.get_runtime_context().get_node_id()), collector.lines

    def render_shard(self, shard: Shard, next_cases: Sequence[Case]) -> Failures:
        """Render and write a shard; see `ShardRenderer.render_shard`."""
        return self.renderer.render_shard(shard, next_cases)

    def render_part(self, shard: Shard, offset: int, reason: str | None) -> Failures | None:
        """Render one case of a shard, or write it; see `ShardRenderer.render_part`."""
        return self.renderer.render_part(shard, offset, reason)
