"""The outcome of a run: what was rendered, what failed, and when it is useless to go on."""

from dataclasses import dataclass, field

from factory.errors import RenderError, ShardsFailed
from factory.execution.shard_renderer import Failures, error_text, is_case_error
from factory.planning.plan import Shard
from factory.progress import Progress
from factory.storage.errors import DatasetError

_SAME_FAILURES = 3  # the run ends if the first so many shards fail alike and none succeeds


@dataclass
class Report:
    """What a run did.

    Attributes:
        rendered: The number of rendered samples.
        given_up: The reason for each placeholder, by case id.
        failed: The reason for each failed shard, by the shard's index.
        seconds: Wall clock.
    """

    rendered: int = 0
    given_up: dict[str, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


class RunOutcome:
    """Collects the outcome of a run, shard by shard, and shows it as progress."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.report = Report()
        self.reasons: list[str] = []  # of failed shards, without the ids of their cases

    def shard_written(self, shard: Shard, failures: Failures) -> None:
        """Count a shard that is stored.

        Args:
            shard: The shard.
            failures: Its cases that have a placeholder.
        """
        self.report.rendered += len(shard.cases) - len(failures)
        self.report.given_up |= failures
        self.progress.advance(len(shard.cases))
        for case_id, reason in failures.items():
            self.progress.note(f"{case_id} failed and has a placeholder: {reason}")

    def shard_failed(self, shard: Shard, error: Exception) -> None:
        """Count a shard that failed.

        Raises:
            DatasetError: At once, since every other shard would meet it too.
            Exception: The error, if the first shards all failed alike; a RenderError with the
                same text if it is no error of a case.
        """
        if isinstance(error, DatasetError):
            raise error
        reason = error_text(error)
        self.report.failed[shard.index] = reason
        if self.report.rendered == 0:
            self.reasons.append(_without_case_ids(reason, shard))
            if len(self.reasons) >= _SAME_FAILURES and len(set(self.reasons)) == 1:
                raise error if is_case_error(error) else RenderError(reason)
        self.progress.note(f"shard {shard.index} failed: {reason}")

    def result(self) -> Report:
        """Return the report.

        Raises:
            ShardsFailed: If a shard failed; the message names the first three.
        """
        self.report.seconds = self.progress.seconds
        failed = self.report.failed
        if failed:
            first = [f"shard {index}: {reason}" for index, reason in sorted(failed.items())[:3]]
            more = [f"and {len(failed) - len(first)} more"] if len(failed) > len(first) else []
            raise ShardsFailed(
                f"{len(failed)} shards failed, the others stand; {'; '.join(first + more)}"
            )
        return self.report


def _without_case_ids(reason: str, shard: Shard) -> str:
    for case in shard.cases:
        reason = reason.replace(case.id, "")
    return reason
