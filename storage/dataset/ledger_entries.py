"""The entries of the ledger, listed and read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from factory.storage.dataset import ledger
from factory.storage.dataset.cases_table import split_batches
from factory.storage.dataset.documents import LedgerEntry
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError

EntryNames = dict[int, list[str]]
"""The names of the entries of each shard."""

BATCH = 512
"""The number of entries in memory at a time; a bucket is asked for as many at once."""

_TRIES = 3  # sealing a growth replaces an entry, perhaps while it is being looked for


@dataclass(frozen=True)
class NamedEntry:
    """A valid ledger entry, its name, and the sha256 of its bytes."""

    name: str
    sha256: str
    entry: LedgerEntry


def shard_range(layout: Layout, shard: int) -> tuple[int, int]:
    """Return the index of a shard's first sample, and its number of samples.

    The last shard may have fewer samples than the others.
    """
    start = shard * layout.samples_per_shard
    return start, min(layout.samples_per_shard, layout.samples - start)


def shard_index(name: str) -> int:
    """Return the index of the shard from the name of its entry."""
    return int(name[:8])


def list_entry_names(folder: ObjectStore) -> list[str]:
    """List the names of all entries in the order of the shards, without reading any."""
    return sorted(name for name in folder.list_names(ledger.LEDGER) if name[:8].isdigit())


def read_entries(folder: ObjectStore, layout: Layout) -> Iterator[NamedEntry]:
    """Yield the entry of every complete shard, in order, with few in memory at a time.

    A shard that grew has several entries for a while, one for each of its lengths. The one with
    the length of this layout is used, otherwise a longer one, cut to this length. Of two with the
    same length, the one with fewer failed cases is used.
    """
    for shard, members in groupby(_read_all(folder), lambda pair: shard_index(pair[0])):
        length = shard_range(layout, shard)[1]
        candidates = [
            NamedEntry(name, ledger.sha256(data), entry)
            for name, data in members
            if (entry := _parse_entry(name, data)) and len(entry.samples) >= length > 0
        ]
        if candidates:
            best = min(candidates, key=lambda c: (len(c.entry.samples), len(c.entry.failures)))
            yield replace(best, entry=replace(best.entry, samples=best.entry.samples[:length]))


def find_entry(
    folder: ObjectStore, layout: Layout, path: str, sample: int, names: EntryNames
) -> LedgerEntry:
    """Return the entry of the shard that holds a sample.

    Args:
        folder: The objects of the dataset.
        layout: The layout of the dataset.
        path: The dataset's path, for messages.
        sample: The index of the sample.
        names: The result of an earlier listing; it is updated if the sample is not found by it.

    Raises:
        DatasetError: The shard is not complete.
    """
    shard = sample // layout.samples_per_shard
    for _ in range(_TRIES + 1):
        for entry in _read_named(folder, names.get(shard, ())):
            if entry.holds(sample) and sample < layout.samples:
                return entry
        names.clear()
        names.update(_names_by_shard(folder))
    raise DatasetError(f"{path}: sample {sample} is not there")


def read_shard_entries(folder: ObjectStore, shard: int) -> Iterator[LedgerEntry]:
    """Yield every valid entry of one shard."""
    return _read_named(folder, _names_by_shard(folder).get(shard, ()))


def remove_damaged_entries(folder: ObjectStore) -> None:
    """Remove the entries that are not valid, so that their shards no longer look complete."""
    for name, data in _read_all(folder):
        if _parse_entry(name, data) is None:
            folder.delete(f"{ledger.LEDGER}/{name}")


def _names_by_shard(folder: ObjectStore) -> EntryNames:
    return {shard: list(names) for shard, names in groupby(list_entry_names(folder), shard_index)}


def _read_named(folder: ObjectStore, names: Iterable[str]) -> Iterator[LedgerEntry]:
    """Yield the valid ones of some entries."""
    for name in names:
        entry = _parse_entry(name, folder.get(f"{ledger.LEDGER}/{name}"))
        if entry is not None:
            yield entry


def _read_all(folder: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of all entries, in the order of the names."""
    for names in split_batches(list_entry_names(folder), BATCH):
        for _ in range(_TRIES):
            contents = folder.get_all([f"{ledger.LEDGER}/{name}" for name in names])
            pairs = list(zip(names, contents, strict=True))
            vanished = {shard_index(name) for name, data in pairs if data is None}
            if not vanished:
                break
            renamed = [n for n in list_entry_names(folder) if shard_index(n) in vanished]
            names = sorted({n for n in names if shard_index(n) not in vanished} | set(renamed))
        yield from ((name, data) for name, data in pairs if data is not None)


def _parse_entry(name: str, data: bytes | None) -> LedgerEntry | None:
    """Return the entry if it is unaltered and has the name that belongs to it."""
    document = ledger.parse_signed(data)
    if document is None:
        return None
    entry = LedgerEntry.from_json(document)
    expected = ledger.entry_name(entry.shard, entry.cases_sha256, bool(entry.failures))
    return entry if name == expected else None
