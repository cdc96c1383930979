"""A local copy of a sealed dataset in a bucket, filled as it is read.

    FOLDER/objects/<sha256>              every object once, whole, checked against the ledger
    FOLDER/<seal>/image/c/12/0/0/0       the dataset of one seal, hard links to these

A dataset that grows gets another seal, so another folder, and shares what has not changed. Plain
files: removing the folder, or part of it, at rest costs a download and nothing else.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from factory.storage.dataset import ledger
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.ledger_entries import read_shard_entries
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import record_objects
from factory.storage.errors import DatasetError


class LocalCache:
    """What lies in `keep` of the dataset at `folder`, as its seal has it. Any number of processes
    may fill one folder.

    Methods raise DatasetError where an object is missing or damaged in the bucket, or the disk
    refuses.
    """

    def __init__(self, folder: ObjectStore, seal: Mapping[str, Any], keep: str) -> None:
        self.folder, self.seal, self.keep = folder, seal, ObjectStore(keep, scratch="objects")
        if not self.keep.is_local:
            raise DatasetError(f"{keep}: a cache lies on a disk of this machine")
        self.root = Path(self.keep.path(ledger.sha256(ledger.canonical_json(seal))[:16]))
        self.entry_names = {int(name[:8]): name for name in seal["ledger"]}
        self.layout = Layout.from_json(seal["record"]["layout"])
        # from the seal, not from the bucket, which may have grown since
        for key, data in record_objects(self.layout, seal["record"]).items():
            if key.endswith("zarr.json"):
                self._place(key, ledger.sha256(data), data)

    def fetch(self, name: str, shard: int) -> None:
        """See to it that an array's shard is here."""
        key = f"{name}/c/{shard}/0/0/0"
        if (self.root / key).exists():
            return
        for entry in self._entries(shard):
            digest = entry["objects"][key]["sha256"]
            data = None if self._has(digest) else self.folder.get(key)
            if self._has(digest) or (data is not None and ledger.sha256(data) == digest):
                return self._place(key, digest, data)
        raise DatasetError(f"{self.folder.url}: {key} is missing or damaged; see factory verify")

    def _entries(self, shard: int) -> Iterator[dict[str, Any]]:
        """The sealed entry, kept here too; and, as the dataset may have grown, what it has now."""
        name = self.entry_names[shard]
        key, digest = f"{ledger.LEDGER}/{name}", self.seal["ledger"][name]
        here = self.root / key
        data = here.read_bytes() if here.exists() else self.folder.get(key)
        if data is not None and ledger.sha256(data) == digest:
            self._place(key, digest, data)
            entry = ledger.parse_signed(data)
            if entry is not None:
                yield entry
        yield from read_shard_entries(self.folder, shard)

    def _has(self, digest: str) -> bool:
        return os.path.exists(self.keep.path(f"objects/{digest}"))

    def _place(self, key: str, digest: str, data: bytes | None) -> None:
        """Keep an object, and link it where its key says."""
        target = self.root / key
        if target.exists():
            return
        if data is not None and not self._has(digest):
            # never replaced: what is replaced at this moment cannot be linked
            self.keep.put_new(f"objects/{digest}", data)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.keep.path(f"objects/{digest}"), target)
        except FileExistsError:
            return  # another process was faster
        except OSError as error:
            raise DatasetError(f"{self.keep.url}: cannot write {key}: {error.strerror}") from error
