"""Begin cases before they are requested: prepare in one thread, paint in another.

Whoever requests a case finishes and writes it. So three things happen at the same time: the label
edits of one case, the painting of the case before it, and the writing of the case before that. All
three run in parallel because numpy, scipy and torch release the interpreter lock.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from factory.case import Case

AHEAD = 2
"""Cases that are begun in addition to the requested one: one is painted, one is prepared."""

Prepared = TypeVar("Prepared")
Painted = TypeVar("Painted")


@dataclass(frozen=True, eq=False)
class PendingCase(Generic[Prepared, Painted]):
    """A case that was begun, with the futures of its two stages."""

    case: Case
    prepared: Future[Prepared]
    painted: Future[Painted]

    def cancel(self) -> None:
        """Cancel the stages that have not begun."""
        self.painted.cancel()
        self.prepared.cancel()


class Lookahead(Generic[Prepared, Painted]):
    """The cases that were begun, in the order in which they were begun.

    Each stage runs in one thread of its own. While nothing is ever prefetched, both stages run in
    the caller's thread.
    """

    def __init__(
        self,
        prepare: Callable[[Case], Prepared],
        paint: Callable[[Prepared], Painted],
        initialise_thread: Callable[[], object],
    ) -> None:
        """Take the two stages.

        Args:
            prepare: The first stage.
            paint: The second stage, called with the result of the first.
            initialise_thread: Called first in both threads.
        """
        self.prepare, self.paint = prepare, paint
        self.preparing = ThreadPoolExecutor(1, "prepare", initialise_thread)
        self.painting = ThreadPoolExecutor(1, "paint", initialise_thread)
        self.pending: list[PendingCase[Prepared, Painted]] = []
        self.has_threads = False

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Begin these cases, in this order, if they are not pending; cancel all others."""
        for pending in self.pending:
            if pending.case not in cases:
                pending.cancel()
        self.pending = [pending for pending in self.pending if pending.case in cases]
        begun = [pending.case for pending in self.pending]
        for case in cases:
            if case not in begun:
                prepared = self.preparing.submit(self.prepare, case)
                painted = self.painting.submit(self._wait_and_paint, prepared)
                self.pending.append(PendingCase(case, prepared, painted))
                self.has_threads = True

    def result(self, case: Case) -> Painted:
        """Return the painted case; one that was not prefetched waits for the work in progress.

        Raises:
            Exception: What a stage raised for this case. Errors of other cases do not matter.
        """
        if not self.has_threads:
            return self.paint(self.prepare(case))
        if all(case != pending.case for pending in self.pending):
            self.prefetch([case])
        requested = next(pending for pending in self.pending if pending.case == case)
        self.pending.remove(requested)
        try:
            return requested.painted.result()
        finally:
            requested.painted.cancel()  # matters only if Ctrl-C came while waiting

    def _wait_and_paint(self, prepared: Future[Prepared]) -> Painted:
        return self.paint(prepared.result())
