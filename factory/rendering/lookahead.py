"""Cases begun before they are asked for: prepared in one thread, painted in another.

What is left to do, finishing and writing, is done by whoever asks. So the label edits of one case,
the generator at the one before and the writing of the one before that go on at the same time: what
takes long in each, numpy, scipy and torch, lets other threads run.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from factory.case import Case

AHEAD = 2
"""Cases begun beside the one that is asked for: one to be painted, one to be prepared."""

Painted = TypeVar("Painted")


class Lookahead(Generic[Painted]):
    """Cases on their way, in the order in which they were begun; at most as many as are expected.

    prepare, paint: the two stages, each called in a thread of its own and always in that one; in
    the asker's where nothing ever was expected. start: called first in both threads.
    """

    def __init__(
        self,
        prepare: Callable[[Case], Any],
        paint: Callable[[Any], Painted],
        start: Callable[[], object],
    ) -> None:
        self.prepare, self.paint = prepare, paint
        self.preparing = ThreadPoolExecutor(1, "prepare", start)
        self.painting = ThreadPoolExecutor(1, "paint", start)
        self.pending: list[tuple[Case, Future[Any], Future[Painted]]] = []
        self.used = False

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Begin these, in this order, where that is not done; let go of all others."""
        for case, prepared, painted in self.pending:
            if case not in cases:
                painted.cancel()
                prepared.cancel()
        self.pending = [one for one in self.pending if one[0] in cases]
        known = [case for case, _, _ in self.pending]
        for case in cases:
            if case not in known:
                prepared = self.preparing.submit(self.prepare, case)
                painted = self.painting.submit(self._painted, prepared)
                self.pending.append((case, prepared, painted))
                self.used = True

    def result(self, case: Case) -> Painted:
        """What a case is once painted; one that nobody expected waits for what is at work.

        Raises what its stages raise, whatever became of other cases.
        """
        if not self.used:
            return self.paint(self.prepare(case))
        if all(case != other for other, _, _ in self.pending):
            self.prefetch([case])
        found = next(one for one in self.pending if one[0] == case)
        self.pending.remove(found)
        try:
            return found[-1].result()
        finally:
            found[-1].cancel()  # where Ctrl-C came while waiting; else it is done

    def _painted(self, prepared: Future[Any]) -> Painted:
        return self.paint(prepared.result())
