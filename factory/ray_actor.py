"""A worker in a Ray process of its own."""

from collections.abc import Callable, Sequence

from factory.cases import Case
from factory.plan import Shard
from factory.shard_maker import Failures, ShardMaker
from factory.worker import Worker


class Actor:
    """What the pool calls: load, then shards, whole or a case at a time."""

    def load(self, make_worker: Callable[[], Worker], keep_going: bool, ahead: int) -> str:
        """Make the worker; returns the node where it is."""
        import ray

        worker = make_worker()
        worker.setup()
        self.maker = ShardMaker(worker, keep_going, ahead=ahead)
        return str(ray.get_runtime_context().get_node_id())

    def whole(self, shard: Shard, then: Sequence[Case]) -> Failures:
        return self.maker.whole(shard, then)

    def piece(self, shard: Shard, offset: int, why: str | None) -> Failures | None:
        return self.maker.piece(shard, offset, why)
