"""The seal, which is written last and lists the content of a finished dataset.

It holds the sha256 of every other object, the record itself (so that one can restore the other),
and its own sha256. Seals are numbered: a dataset that has grown gets the next number, and only the
newest seal counts.
"""

from collections.abc import Container, Mapping
from itertools import chain
from typing import cast

from factory.storage.dataset import ledger
from factory.storage.dataset.cases_table import split_batches
from factory.storage.dataset.documents import DatasetRecord, Seal
from factory.storage.dataset.ledger_entries import BATCH
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import generation

SEALS = "seal"
"""The subfolder of the seals."""


def seal_key(number: int) -> str:
    """Return the key of the seal of a generation."""
    return f"{SEALS}/{number:04d}.json"


def make_seal(
    record: DatasetRecord,
    samples: int,
    objects: Mapping[str, bytes],
    entries: Mapping[str, str],
) -> bytes:
    """Return the bytes of a seal.

    Args:
        record: The record of the dataset.
        samples: The number of samples.
        objects: Every small object of the dataset, by key.
        entries: sha256 of every ledger entry, by its name.
    """
    seal: Seal = {
        "generation": generation(record),
        "samples": samples,
        "record": record,
        "objects": {key: ledger.sha256(data) for key, data in objects.items()},
        "ledger": dict(entries),
    }
    return ledger.sign(seal)


def newest_seal(folder: ObjectStore) -> Seal | None:
    """Return the seal with the highest number, or None if there is none or it is damaged."""
    names = folder.list_names(SEALS)
    if not names:
        return None
    return cast(Seal | None, ledger.parse_signed(folder.get(f"{SEALS}/{max(names)}")))


def is_unaltered(folder: ObjectStore, seal: Seal) -> bool:
    """Return whether all objects that a seal lists are unaltered; shards are not read."""
    entries = ((f"{ledger.LEDGER}/{name}", digest) for name, digest in seal["ledger"].items())
    for batch in split_batches(chain(seal["objects"].items(), entries), BATCH):
        contents = folder.get_all([key for key, _ in batch])
        for data, (_, digest) in zip(contents, batch, strict=True):
            if data is None or ledger.sha256(data) != digest:
                return False
    return True


def remove_superseded(folder: ObjectStore, key: str, entries: Container[str]) -> None:
    """Remove what a new seal replaces: older seals, and entries of shards before they grew.

    Args:
        folder: The objects of the dataset.
        key: The key of the new seal.
        entries: The names of the entries that it lists.
    """
    for name in folder.list_names(SEALS):
        if f"{SEALS}/{name}" != key:
            folder.delete(f"{SEALS}/{name}")
    for name in folder.list_names(ledger.LEDGER):
        if name.endswith(".json") and name not in entries:
            folder.delete(f"{ledger.LEDGER}/{name}")


def remove_unsealed_entries(folder: ObjectStore, seal: Seal) -> None:
    """Remove entries that a seal does not list, which an abandoned growth has left."""
    for name in folder.list_names(ledger.LEDGER) - set(seal["ledger"]):
        if name.endswith(".json"):
            folder.delete(f"{ledger.LEDGER}/{name}")
