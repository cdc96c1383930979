"""Render shards with one worker: a shard at once, or one case at a time after a loss."""

from collections.abc import Iterable, Sequence
from itertools import islice

from factory.case import Case
from factory.errors import FactoryError
from factory.execution.options import ShardOptions
from factory.execution.placeholder import placeholder_sample
from factory.execution.worker import Worker
from factory.planning.plan import Shard
from factory.storage.dataset.shard_writer import ShardWriter
from factory.storage.errors import DatasetError, StorageError

Failures = dict[str, str]
"""The reason for each case that could not be rendered, by case id."""


def is_case_error(error: BaseException) -> bool:
    """Return whether an error belongs to the case, and would occur wherever it is rendered."""
    return _is_known(error) and not isinstance(error, DatasetError)


class ShardRenderer:
    """Renders and writes shards. Both ways of rendering give the same bytes."""

    def __init__(
        self,
        worker: Worker,
        options: ShardOptions = ShardOptions(),
        tolerates_any_error: bool = False,
    ) -> None:
        """Take a worker that is set up.

        Args:
            worker: The worker.
            options: Whether a case that cannot be rendered gets a placeholder; and how many cases
                are begun ahead while a shard is rendered at once.
            tolerates_any_error: Whether, with `keep_going`, a case also gets a placeholder after an
                error that is not its own. DatasetError is always raised.
        """
        self.worker, self.options = worker, options
        self.tolerates_any_error = tolerates_any_error
        self.writer: ShardWriter | None = None
        self.failures: Failures = {}

    def render_shard(self, shard: Shard, next_cases: Sequence[Case] = ()) -> Failures:
        """Render and write a shard.

        Only one uncompressed sample is in memory, besides those that are begun ahead.

        Args:
            shard: The shard.
            next_cases: Cases that probably follow the shard, to be begun ahead.

        Returns:
            The cases that have a placeholder.
        """
        cases = [*shard.cases, *next_cases]
        for offset in range(len(shard.cases) + 1):
            if self.options.ahead:
                self.worker.prefetch(cases[offset : offset + 1 + self.options.ahead])
            self.render_part(shard, offset)
        return self.failures

    def render_part(self, shard: Shard, offset: int, reason: str | None = None) -> Failures | None:
        """Render one case of a shard, or write the shard.

        The calls for a shard must come in order, from offset 0.

        Args:
            shard: The shard.
            offset: The position of the case; the number of cases to write the shard.
            reason: If given, the case is not rendered but gets a placeholder with this reason.

        Returns:
            The cases that have a placeholder. None if an earlier call for this shard raised an
            error: then nothing is done.
        """
        if offset == 0:
            self.failures = {}
            self.writer = self.worker.dataset.shard_writer(
                shard.index, shard.start, len(shard.cases)
            )
        if self.writer is None:
            return None
        # an error below leaves self.writer at None, so the later calls do nothing
        writer, self.writer = self.writer, None
        if offset < len(shard.cases):
            self._add_case(writer, shard.cases[offset], reason)
            self.writer = writer
        else:
            writer.close()
        return self.failures

    def _add_case(self, writer: ShardWriter, case: Case, reason: str | None) -> None:
        """Add a rendered case to the shard, or its placeholder."""
        if reason is None:
            try:
                return writer.add(self.worker.render(case))
            except Exception as error:
                is_fatal = isinstance(error, DatasetError)
                is_tolerable = is_case_error(error) or (self.tolerates_any_error and not is_fatal)
                if not (self.options.keep_going and is_tolerable):
                    raise
                reason = error_text(error)
        self.failures[case.id] = reason
        writer.add(placeholder_sample(case, self.worker.dataset.layout, reason))


def first_cases(shards: Iterable[Shard], count: int) -> list[Case]:
    """Return the first cases of the next shards, for `ShardRenderer.render_shard`."""
    return list(islice((case for shard in shards for case in shard.cases), count))


def error_text(error: BaseException) -> str:
    """Return an error as one line; for errors that are not ours, with the name of the class."""
    text = str(error) if _is_known(error) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _is_known(error: BaseException) -> bool:
    return isinstance(error, FactoryError | StorageError)
