"""Cases -> shards; bytes, peak memory and time projected; what is already done. Pure."""

from dataclasses import dataclass

from factory.cases import Case


@dataclass(frozen=True)
class Shard:
    """A run of cases that one task renders and one set of storage objects holds.

    index: position in the plan; start: index of the first sample. cases: in sample order.
    """

    index: int
    start: int
    cases: tuple[Case, ...]
