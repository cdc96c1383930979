"""A worker in a Ray process of its own."""

import logging
from collections.abc import Callable, Sequence

from factory.case import Case
from factory.execution.shard_renderer import Failures, ShardRenderer
from factory.execution.worker import Worker
from factory.planning.plan import Shard


class Said(logging.Handler):
    """Keeps warnings, to be said where the user is."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Actor:
    """What the pool calls: load, then shards, whole or a case at a time."""

    def load(
        self, make_worker: Callable[[], Worker], keep_going: bool, ahead: int
    ) -> tuple[str, list[str]]:
        """Make the worker; returns the node where it is, and the warnings that loading logged."""
        import ray

        worker, said = make_worker(), Said()
        logging.getLogger("factory.models").addHandler(said)
        worker.setup()
        logging.getLogger("factory.models").removeHandler(said)
        self.renderer = ShardRenderer(worker, keep_going, ahead=ahead)
        return str(ray.get_runtime_context().get_node_id()), said.lines

    def render_shard(self, shard: Shard, then: Sequence[Case]) -> Failures:
        return self.renderer.render_shard(shard, then)

    def render_part(self, shard: Shard, offset: int, why: str | None) -> Failures | None:
        return self.renderer.render_part(shard, offset, why)
