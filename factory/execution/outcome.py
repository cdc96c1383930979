"""What a run did: what stands, what failed, and when going on is of no use."""

from dataclasses import dataclass, field

from factory.errors import RenderError, ShardsFailed
from factory.execution.shard_renderer import Failures, error_text, is_case_error
from factory.planning.plan import Shard
from factory.progress import Progress
from factory.storage.errors import DatasetError

_SAME = 3  # so many shards failing alike, and none succeeding, end the run


@dataclass
class Report:
    """What a run did.

    rendered: samples. given_up: cases that hold a vacant place, by id, and why. failed: shards by
    index, and why. seconds: wall clock.
    """

    rendered: int = 0
    given_up: dict[str, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


class RunOutcome:
    """Counts what stands and what failed."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.report = Report()
        self.reasons: list[str] = []  # without the names of cases

    def shard_written(self, shard: Shard, failures: Failures) -> None:
        """A shard stands. failures: its cases that could not be rendered, and why."""
        self.report.rendered += len(shard.cases) - len(failures)
        self.report.given_up |= failures
        self.progress.advance(len(shard.cases))
        for case, why in failures.items():
            self.progress.note(f"{case} failed, and its place stays vacant: {why}")

    def shard_failed(self, shard: Shard, error: Exception) -> None:
        """Note a failure, or raise it where every other shard would meet it too."""
        if isinstance(error, DatasetError):
            raise error
        self.report.failed[shard.index] = why = error_text(error)
        if self.report.rendered == 0:
            self.reasons.append(_nameless(why, shard))
            if len(self.reasons) >= _SAME and len(set(self.reasons)) == 1:
                raise error if is_case_error(error) else RenderError(why)
        self.progress.note(f"shard {shard.index} failed: {why}")

    def result(self) -> Report:
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


def _nameless(why: str, shard: Shard) -> str:
    for case in shard.cases:
        why = why.replace(case.id, "")
    return why
