"""Windows of stored volumes, as trainings read them: many, small, from any process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from factory.storage.dataset.layout import Layout, dequantise
from factory.storage.dataset.ledger_entries import EntryNames, find_entry
from factory.storage.dataset.local_cache import LocalCache
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.dataset.volume_reader import VolumeReader
from factory.storage.errors import DatasetError


@dataclass
class WindowReader:
    """A dataset's volumes by window. Picklable, and safe to use on either side of a fork: every
    process opens for itself what it reads.

    cache: a folder of this machine where shards of a bucket are kept, which needs the seal.
    threads: see factory.storage.dataset.volume_reader.VolumeReader; set it before a process first
    reads.
    """

    path: str
    layout: Layout
    seal: Mapping[str, Any] | None = None
    cache: str | None = None
    threads: int | None = 0
    _opened: "tuple[int, _Opened] | None" = field(default=None, repr=False, compare=False)

    def read(self, name: str, index: int, window: tuple[slice, ...] = ()) -> np.ndarray:
        """A window [z, y, x] of a sample's volume: labels uint8, images float32.

        Raises DatasetError where it is missing or damaged.
        """
        values = self._here().read(name, index, window)
        known = self.layout.ranges.get(name)
        return values if known is None else dequantise(values, *known)

    def sample(self, index: int) -> StoredSample:
        """A whole sample. Raises DatasetError where it is missing or damaged."""
        here = self._here()
        entry = find_entry(here.folder, self.layout, self.path, index, here.known)
        volumes = {name: self.read(name, index) for name in self.layout.arrays}
        return StoredSample.from_record(entry["samples"][index - entry["start"]], volumes, index)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _here(self) -> "_Opened":
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), _Opened(self)
        return self._opened[1]


class _Opened:
    """What one process holds open."""

    def __init__(self, of: WindowReader) -> None:
        self.folder, self.layout = ObjectStore(of.path), of.layout
        self.mirror: LocalCache | None = None
        if of.cache is not None and not self.folder.is_local:
            if of.seal is None:
                raise DatasetError(f"{of.path}: only a sealed dataset can be kept in a cache")
            self.mirror = LocalCache(self.folder, of.seal, of.cache)
        where = self.folder if self.mirror is None else ObjectStore(self.mirror.root)
        self.volumes = VolumeReader(where, of.path, of.threads)
        self.there: set[tuple[str, int]] = set()
        self.known: EntryNames = {}

    def read(self, name: str, index: int, window: tuple[slice, ...]) -> np.ndarray:
        shard = index // self.layout.samples_per_shard
        if (name, shard) not in self.there:
            self._look(name, shard)
            self.there.add((name, shard))
        return self.volumes.read(name, index, window)

    def _look(self, name: str, shard: int) -> None:
        """Zarr takes an object that is not there for zeros; a training should not."""
        if self.mirror is not None:
            self.mirror.fetch(name, shard)
        elif self.folder.size(key := f"{name}/c/{shard}/0/0/0") is None:
            raise DatasetError(f"{self.folder.url}: {key} is missing; see factory verify")
