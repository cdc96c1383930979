"""The ledger's entries: which shard stands, and what it holds."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from factory.storage.dataset import ledger
from factory.storage.dataset.cases_table import split_batches
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError

EntryNames = dict[int, list[str]]
"""Of the entries of each shard."""

BATCH = 512
"""Entries in memory at a time; a bucket is asked for as many at once."""

_TRIES = 3  # a growth that is sealed just now replaces one entry, maybe while it is looked for


def shard_range(layout: Layout, shard: int) -> tuple[int, int]:
    """A shard's first sample and the number of its samples; the last may be shorter."""
    start = shard * layout.samples_per_shard
    return start, min(layout.samples_per_shard, layout.samples - start)


def shard_index(name: str) -> int:
    """The shard that an entry's name says."""
    return int(name[:8])


def list_entry_names(folder: ObjectStore) -> list[str]:
    """Names of all entries, in order of shard: a listing, nothing is read."""
    return sorted(name for name in folder.list_names(ledger.LEDGER) if name[:8].isdigit())


def read_entries(folder: ObjectStore, layout: Layout) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and entry of every shard that stands, in order of shard, a few in memory at a time.

    An entry has beside it the sha256 of its bytes. A shard that grew has one for each of its
    lengths for a while: the one of this layout's length counts, else a longer one, cut. One in
    which cases failed gives way to one in which none did.
    """
    for shard, same in groupby(_stream(folder), lambda pair: shard_index(pair[0])):
        wanted = shard_range(layout, shard)[1]
        whole = ((name, data, _whole(name, data)) for name, data in same)
        fitting = [
            (len(entry["samples"]), len(failures_in(entry)), name, data, entry)
            for name, data, entry in whole
            if entry and len(entry["samples"]) >= wanted > 0
        ]
        if fitting:
            *_, name, data, entry = min(fitting, key=lambda one: one[:2])
            samples = entry["samples"][:wanted]
            yield name, {**entry, "samples": samples, "sha256": ledger.sha256(data)}


def find_entry(
    folder: ObjectStore, layout: Layout, path: str, sample: int, known: EntryNames
) -> dict[str, Any]:
    """The entry of the shard that holds a sample. Raises DatasetError where it does not stand.

    known: what an earlier listing found; listed again into it where that does not serve.
    """
    shard = sample // layout.samples_per_shard
    for _ in range(_TRIES + 1):
        for entry in _read(folder, known.get(shard, ())):
            if 0 <= sample - entry["start"] < len(entry["samples"]) and sample < layout.samples:
                return entry
        known.clear()
        known.update(_by_shard(folder))
    raise DatasetError(f"{path}: sample {sample} is not there")


def read_shard_entries(folder: ObjectStore, shard: int) -> Iterator[dict[str, Any]]:
    """Every whole entry of one shard."""
    return _read(folder, _by_shard(folder).get(shard, ()))


def _by_shard(folder: ObjectStore) -> EntryNames:
    return {shard: list(names) for shard, names in groupby(list_entry_names(folder), shard_index)}


def _read(folder: ObjectStore, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Those of some entries that are whole."""
    for name in names:
        entry = _whole(name, folder.get(f"{ledger.LEDGER}/{name}"))
        if entry is not None:
            yield entry


def failures_in(entry: Mapping[str, Any]) -> dict[int, str]:
    """The samples of an entry that could not be rendered, by index, and why."""
    columns = [sample["columns"] for sample in entry["samples"]]
    return {
        entry["start"] + offset: known["failure"]
        for offset, known in enumerate(columns)
        if "failure" in known
    }


def remove_damaged_entries(folder: ObjectStore) -> None:
    """Remove the entries that are not whole, so that their shards do not look as if they stood."""
    for name, data in _stream(folder):
        if _whole(name, data) is None:
            folder.delete(f"{ledger.LEDGER}/{name}")


def _stream(folder: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of all entries, in order of name."""
    for names in split_batches(list_entry_names(folder), BATCH):
        for _ in range(_TRIES):
            found = folder.get_all([f"{ledger.LEDGER}/{name}" for name in names])
            gone = {shard_index(n) for n, data in zip(names, found, strict=True) if data is None}
            if not gone:
                break
            others = [name for name in list_entry_names(folder) if shard_index(name) in gone]
            names = sorted({n for n in names if shard_index(n) not in gone} | set(others))
        yield from ((n, data) for n, data in zip(names, found, strict=True) if data is not None)


def _whole(name: str, data: bytes | None) -> dict[str, Any] | None:
    """The entry, if it is one, unaltered, and under the name that is its own."""
    entry = ledger.parse_signed(data)
    if entry is None:
        return None
    own = ledger.entry_name(entry["shard"], entry["cases_sha256"], bool(failures_in(entry)))
    return entry if name == own else None
