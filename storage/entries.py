"""The ledger's entries: which shard stands, and what it holds."""

from collections.abc import Iterator, Mapping
from typing import Any

from storage import ledger
from storage.errors import DatasetError
from storage.folder import Folder
from storage.layout import Layout

_TRIES = 3  # a growth that is sealed just now replaces one entry, maybe while it is looked for


def place_of(layout: Layout, shard: int) -> tuple[int, int]:
    """A shard's first sample and the number of its samples; the last may be shorter."""
    start = shard * layout.samples_per_shard
    return start, min(layout.samples_per_shard, layout.samples - start)


def entries(folder: Folder, layout: Layout) -> list[tuple[str, dict[str, Any]]]:
    """Name and entry of every shard that stands, in order of shard.

    An entry has beside it the sha256 of its bytes. A shard that grew has one for each of its
    lengths for a while: the one of this layout's length counts, else a longer one, cut.
    """
    for _ in range(_TRIES):
        names = sorted(folder.names(ledger.LEDGER))
        found = folder.get_all([f"{ledger.LEDGER}/{name}" for name in names])
        if None not in found:
            break
    best: dict[int, tuple[str, dict[str, Any]]] = {}
    for name, data in zip(names, found, strict=True):
        entry = ledger.parse(data)
        if entry is None or data is None:
            continue
        shard, count = entry["shard"], len(entry["samples"])
        wanted = place_of(layout, shard)[1]
        known = best.get(shard)
        if count >= wanted > 0 and (known is None or count < len(known[1]["samples"])):
            best[shard] = (name, {**entry, "sha256": ledger.sha256(data)})
    return [_cut(*best[shard], layout) for shard in sorted(best)]


def entry_of(folder: Folder, layout: Layout, path: str, sample: int) -> dict[str, Any]:
    """The entry of the shard that holds a sample. Raises DatasetError where it does not stand."""
    for _ in range(_TRIES):
        for entry in shard_entries(folder, sample // layout.samples_per_shard):
            if 0 <= sample - entry["start"] < len(entry["samples"]) and sample < layout.samples:
                return entry
    raise DatasetError(f"{path}: sample {sample} is not there")


def shard_entries(folder: Folder, shard: int) -> Iterator[dict[str, Any]]:
    """Every whole entry of one shard."""
    for name in sorted(folder.names(ledger.LEDGER)):
        if name.startswith(f"{shard:08d}-"):
            entry = ledger.parse(folder.get(f"{ledger.LEDGER}/{name}"))
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


def _cut(name: str, entry: dict[str, Any], layout: Layout) -> tuple[str, dict[str, Any]]:
    count = place_of(layout, entry["shard"])[1]
    return name, {**entry, "samples": entry["samples"][:count]}
