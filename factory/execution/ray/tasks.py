"""Shards on their way to the actors of a pool, and what each actor has in hand."""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from factory.execution.shard_renderer import first_cases
from factory.planning.plan import Shard

TRIES = 3
"""How many actors a case may take down with it before it is given up. An actor that a case begun
ahead took down is laid to the shard in hand; once, since what is suspected is then run alone, and
what was in the actor's hands is not begun ahead again."""

SPARED = 10
"""How often a shard may lose its actor through no fault of its own, before it is suspected too."""

RUN = 16
"""Shards of one subject that are kept for one actor, at the most."""


@dataclass(eq=False)
class Errand:
    """A shard on its way.

    tries: how many actors each case may have taken down, by offset; last, those lost in writing.
    given_up: why, by offset of case. avoid: nodes where an actor was lost. spared: actors lost by
    no fault of the shard.
    """

    shard: Shard
    tries: list[int]
    given_up: dict[int, str] = field(default_factory=dict)
    avoid: set[str | None] = field(default_factory=set)
    spared: int = 0

    @staticmethod
    def of(shard: Shard) -> "Errand":
        return Errand(shard, [0] * (len(shard.cases) + 1))

    @property
    def is_suspect(self) -> bool:
        """Whether it is to be run a case at a time, to see which one it is."""
        return any(self.tries)

    def blame(self, offset: int | None) -> list[int]:
        """An actor was lost at this job; which cases are out of tries (writing: their number)."""
        every = range(len(self.tries)) if offset is None else [offset]
        for place in every:
            self.tries[place] += 1
        return [place for place in every if self.tries[place] >= TRIES]


@dataclass(frozen=True, eq=False)
class Job:
    """What an actor was told to do.

    errand: None for its loading. offset: of one case; the number of cases for writing them; None
    for the whole shard.
    """

    errand: Errand | None = None
    offset: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether the shard stands once this is done."""
        return self.errand is not None and self.offset in (None, len(self.errand.shard.cases))


@dataclass(eq=False)
class Member:
    """An actor of the pool. jobs: what it was told, oldest first. node: its own, once loaded.
    ahead: shards kept for it, for it has the subject of the last one at hand."""

    handle: Any
    jobs: dict[Any, Job]
    node: str | None = None
    ahead: deque[Shard] = field(default_factory=deque)

    @property
    def errands(self) -> list[Errand]:
        """Those it has in hand, oldest first."""
        return list(dict.fromkeys(job.errand for job in self.jobs.values() if job.errand))

    def tell(self, errand: Errand, ahead: int) -> None:
        """Hand it a shard: whole, with so many of the cases kept for it to begin ahead; or a case
        at a time where that is suspect."""
        run, shard = self.handle, errand.shard
        if not errand.is_suspect:
            self.jobs[run.whole.remote(shard, first_cases(self.ahead, ahead))] = Job(errand)
            return
        for offset in range(len(shard.cases) + 1):
            ref = run.piece.remote(shard, offset, errand.given_up.get(offset))
            self.jobs[ref] = Job(errand, offset)

    def forget(self, errand: Errand) -> None:
        for ref in [ref for ref, job in self.jobs.items() if job.errand is errand]:
            del self.jobs[ref]


def runs(shards: Iterator[Shard]) -> Iterator[list[Shard]]:
    """Shards that follow one another and begin with one subject: whoever has made it, and what its
    edits have in common, makes the next one faster."""
    for _, same in itertools.groupby(shards, lambda shard: shard.cases[0].subject["id"]):
        while run := list(itertools.islice(same, RUN)):
            yield run
