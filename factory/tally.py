"""What a run did: what stands, what failed, and when going on is of no use."""

from dataclasses import dataclass, field

from factory.errors import FactoryError, ShardsFailed
from factory.plan import Shard
from factory.progress import Progress
from storage.errors import DatasetError, StorageError

_SAME = 3  # so many shards failing alike, and none succeeding, end the run


@dataclass
class Report:
    """What a run did. rendered: samples. failed: shards by index, and why. seconds: wall clock."""

    rendered: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


class Tally:
    """Counts what stands and what failed."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.report = Report()

    def stands(self, shard: Shard) -> None:
        self.report.rendered += len(shard.cases)
        self.progress.advance(len(shard.cases))

    def failed(self, shard: Shard, error: Exception) -> None:
        """Note a failure, or raise it where every other shard would meet it too."""
        if isinstance(error, DatasetError):
            raise error
        known = isinstance(error, FactoryError | StorageError)
        why = str(error) if known else f"{type(error).__name__}: {error}"
        self.report.failed[shard.index] = why
        if known and self.report.rendered == 0:
            reasons = list(self.report.failed.values())
            if len(reasons) >= _SAME and len(set(reasons)) == 1:
                raise error
        self.progress.note(f"shard {shard.index} failed: {why}")

    def close(self) -> Report:
        """The report. Raises ShardsFailed, naming the first, where any failed."""
        self.report.seconds = self.progress.seconds
        failed = self.report.failed
        if failed:
            shown = [f"shard {index}: {why}" for index, why in sorted(failed.items())[:3]]
            more = [f"and {len(failed) - len(shown)} more"] if len(failed) > len(shown) else []
            raise ShardsFailed(
                f"{len(failed)} shards failed, the others stand; {'; '.join(shown + more)}"
            )
        return self.report
