"""The seal: put last, it says what a finished dataset consists of, byte for byte.

It holds the sha256 of every other object, the record itself (so that either restores the other),
and its own. Seals are numbered: a dataset that has grown gets the next number, and only the
newest one counts.
"""

from collections.abc import Container, Mapping
from itertools import chain
from typing import Any

from factory.storage.dataset import ledger
from factory.storage.dataset.cases_table import split_batches
from factory.storage.dataset.ledger_entries import BATCH
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import generation

SEALS = "seal"


def seal_key(generation: int) -> str:
    return f"{SEALS}/{generation:04d}.json"


def make_seal(
    record: Mapping[str, Any],
    samples: int,
    objects: Mapping[str, bytes],
    entries: Mapping[str, str],
) -> bytes:
    """samples: how many. objects: every small object of the dataset by key. entries: sha256 of
    every ledger entry by its name."""
    return ledger.sign(
        {
            "generation": generation(record),
            "samples": samples,
            "record": dict(record),
            "objects": {key: ledger.sha256(data) for key, data in objects.items()},
            "ledger": dict(entries),
        }
    )


def newest_seal(folder: ObjectStore) -> dict[str, Any] | None:
    """The seal of the highest number, or None where there is none or it is damaged."""
    names = folder.list_names(SEALS)
    return ledger.parse_signed(folder.get(f"{SEALS}/{max(names)}")) if names else None


def is_unaltered(folder: ObjectStore, seal: Mapping[str, Any]) -> bool:
    """Whether all that a seal names is there as it was; the voxels themselves are not read."""
    entries = ((f"{ledger.LEDGER}/{name}", digest) for name, digest in seal["ledger"].items())
    for named in split_batches(chain(seal["objects"].items(), entries), BATCH):
        found = folder.get_all([key for key, _ in named])
        for data, (_, digest) in zip(found, named, strict=True):
            if data is None or ledger.sha256(data) != digest:
                return False
    return True


def remove_superseded(folder: ObjectStore, key: str, entries: Container[str]) -> None:
    """Remove what a new seal has superseded: older seals, and entries of shards before they grew.

    key: the new seal's. entries: names of those that it seals.
    """
    for name in folder.list_names(SEALS):
        if f"{SEALS}/{name}" != key:
            folder.delete(f"{SEALS}/{name}")
    for name in folder.list_names(ledger.LEDGER):
        if name.endswith(".json") and name not in entries:
            folder.delete(f"{ledger.LEDGER}/{name}")


def remove_unsealed_entries(folder: ObjectStore, seal: Mapping[str, Any]) -> None:
    """Remove entries that a seal does not name: a growth that was given up has left them."""
    for name in folder.list_names(ledger.LEDGER) - set(seal["ledger"]):
        if name.endswith(".json"):
            folder.delete(f"{ledger.LEDGER}/{name}")
