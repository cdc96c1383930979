"""Makes shards with one worker: whole, or, after something went wrong, a case at a time."""

from collections.abc import Iterable, Sequence
from itertools import islice

from factory.case import Case
from factory.errors import FactoryError
from factory.execution.placeholder import placeholder_sample
from factory.execution.worker import Worker
from factory.planning.plan import Shard
from factory.storage.dataset.shard_writer import ShardWriter
from factory.storage.errors import DatasetError, StorageError

Failures = dict[str, str]
"""Cases that could not be rendered, by id, and why."""


def is_case_error(error: BaseException) -> bool:
    """Whether an error is of the case alone, and would come again wherever it is rendered."""
    known = isinstance(error, FactoryError | StorageError)
    return known and not isinstance(error, DatasetError)


class ShardRenderer:
    """Renders and writes shards, each whole, whichever way it was rendered: the same bytes.

    keep_going: a case that cannot be rendered is given a vacant place; else its error is raised.
    whatever: with keep_going, that holds for errors of any kind but DatasetError. ahead: how many
    cases are begun beside the one in hand, while shards are made whole.
    """

    def __init__(
        self, worker: Worker, keep_going: bool = False, whatever: bool = False, ahead: int = 0
    ) -> None:
        self.worker, self.keep_going, self.whatever = worker, keep_going, whatever
        self.ahead = ahead
        self.writer: ShardWriter | None = None
        self.failures: Failures = {}

    def render_shard(self, shard: Shard, then: Sequence[Case] = ()) -> Failures:
        """Make a shard. Only one sample, and those begun ahead, are in memory uncompressed.

        then: cases that probably follow, to begin with. What becomes of them is of no matter here.
        """
        coming = [*shard.cases, *then]
        for offset in range(len(shard.cases) + 1):
            if self.ahead:
                self.worker.prefetch(coming[offset : offset + 1 + self.ahead])
            self.render_part(shard, offset)
        return self.failures

    def render_part(self, shard: Shard, offset: int, why: str | None = None) -> Failures | None:
        """Render one case of a shard, in order from offset 0; one past the last, write the shard.

        why: give the case a vacant place at once, for this reason. What comes after an error does
        nothing and returns None, until another shard begins.
        """
        if offset == 0:
            self.failures = {}
            self.writer = self.worker.dataset.shard_writer(
                shard.index, shard.start, len(shard.cases)
            )
        if self.writer is None:
            return None
        writer, self.writer = self.writer, None
        if offset < len(shard.cases):
            self._add(writer, shard.cases[offset], why)
            self.writer = writer
        else:
            writer.close()
        return self.failures

    def _add(self, writer: ShardWriter, case: Case, why: str | None) -> None:
        if why is None:
            try:
                return writer.add(self.worker.render(case))
            except Exception as error:
                fatal = isinstance(error, DatasetError)
                mild = is_case_error(error) or (self.whatever and not fatal)
                if not (self.keep_going and mild):
                    raise
                why = error_text(error)
        self.failures[case.id] = why
        writer.add(placeholder_sample(case, self.worker.dataset.layout, why))


def first_cases(shards: Iterable[Shard], count: int) -> list[Case]:
    """Of shards to come, as many as `ShardMaker.whole` is to be told of."""
    return list(islice((case for shard in shards for case in shard.cases), count))


def error_text(error: BaseException) -> str:
    """An error as one line: what we raise says it all, of others the kind is told too."""
    known = isinstance(error, FactoryError | StorageError)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
