"""A local copy of a sealed dataset in a bucket, filled as the dataset is read.

    FOLDER/objects/<sha256>              every object once, complete, checked by the ledger
    FOLDER/<seal>/image/c/12/0/0/0       the dataset of one seal: hard links to these objects

A dataset that has grown has another seal, therefore another folder, and shares the unchanged
objects. The folder, or part of it, may be removed while no process uses it; the objects are then
downloaded again.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from factory.storage.dataset import ledger
from factory.storage.dataset.documents import LedgerEntry, Seal
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.ledger_entries import read_shard_entries
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import record_objects
from factory.storage.errors import DatasetError


class LocalCache:
    """The local copy of one sealed dataset; several processes may fill it at the same time.

    Methods raise DatasetError if an object is missing or damaged in the bucket, or if the disk
    cannot be written.

    Args:
        folder: The objects of the dataset in the bucket.
        seal: The seal of the dataset.
        path: The local folder of the cache.
    """

    def __init__(self, folder: ObjectStore, seal: Seal, path: str) -> None:
        self.folder, self.seal, self.cache = folder, seal, ObjectStore(path, scratch="objects")
        if not self.cache.is_local:
            raise DatasetError(f"{path}: the cache must be a folder on a disk of this machine")
        self.root = Path(self.cache.path(ledger.sha256(ledger.canonical_json(seal))[:16]))
        self.entry_names = {int(name[:8]): name for name in seal["ledger"]}
        self.layout = Layout.from_json(seal["record"]["layout"])
        # from the seal, since the dataset in the bucket may have grown
        for key, data in record_objects(self.layout, seal["record"]).items():
            if key.endswith("zarr.json"):
                self._store_object(key, ledger.sha256(data), data)

    def fetch(self, name: str, shard: int) -> None:
        """Download the shard of an array, unless it is in the cache already."""
        key = self.layout.shard_key(name, shard)
        if (self.root / key).exists():
            return
        for entry in self._entries(shard):
            digest = entry.objects[key]["sha256"]
            data = None if self._has_object(digest) else self.folder.get(key)
            if self._has_object(digest) or (data is not None and ledger.sha256(data) == digest):
                return self._store_object(key, digest, data)
        raise DatasetError(f"{self.folder.url}: {key} is missing or damaged; see factory verify")

    def _entries(self, shard: int) -> Iterator[LedgerEntry]:
        """Yield the sealed entry, which is cached too, then those that the bucket has now.

        The dataset in the bucket may have grown since it was sealed.
        """
        name = self.entry_names[shard]
        key, digest = f"{ledger.LEDGER}/{name}", self.seal["ledger"][name]
        cached = self.root / key
        data = cached.read_bytes() if cached.exists() else self.folder.get(key)
        if data is not None and ledger.sha256(data) == digest:
            self._store_object(key, digest, data)
            document = ledger.parse_signed(data)
            if document is not None:
                yield LedgerEntry.from_json(document)
        yield from read_shard_entries(self.folder, shard)

    def _has_object(self, digest: str) -> bool:
        return os.path.exists(self.cache.path(f"objects/{digest}"))

    def _store_object(self, key: str, digest: str, data: bytes | None) -> None:
        """Store an object under its sha256, and link it to the place of its key."""
        target = self.root / key
        if target.exists():
            return
        if data is not None and not self._has_object(digest):
            # never replaced, since a link fails while its object is being replaced
            self.cache.put_new(f"objects/{digest}", data)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.cache.path(f"objects/{digest}"), target)
        except FileExistsError:
            return  # another process was faster
        except OSError as error:
            raise DatasetError(f"{self.cache.url}: cannot write {key}: {error.strerror}") from error
