"""Reading windows of stored volumes, as a training does: many small ones, in any process."""

import os
from dataclasses import dataclass, field

import numpy as np

from factory.storage.dataset.documents import Seal
from factory.storage.dataset.layout import Layout, dequantise
from factory.storage.dataset.ledger_entries import EntryNames, find_entry
from factory.storage.dataset.local_cache import LocalCache
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.dataset.volume_reader import VolumeReader
from factory.storage.errors import DatasetError


@dataclass
class WindowReader:
    """Reads windows of a dataset's volumes.

    It can be pickled, and used before and after a fork, since every process opens its own files.

    Attributes:
        path: A folder or URL.
        layout: The layout of the dataset.
        seal: The newest seal, if there is one.
        cache: A local folder that keeps the shards of a bucket; it needs the seal.
        threads: As for factory.storage.dataset.volume_reader.VolumeReader. It may be set until the
            first read of a process.
    """

    path: str
    layout: Layout
    seal: Seal | None = None
    cache: str | None = None
    threads: int | None = 0
    _open_files: "tuple[int, _OpenFiles] | None" = field(default=None, repr=False, compare=False)

    def read(self, name: str, index: int, window: tuple[slice, ...] = ()) -> np.ndarray:
        """Read a window [z, y, x] of a sample's volume: labels are uint8 or uint16, images float32.

        An image of named channels is [channel, z, y, x].

        Args:
            name: The name of the array.
            index: The index of the sample.
            window: One slice for each of z, y, x, before them one for the channels if not all are
                to be read; empty for the whole volume.

        Raises:
            DatasetError: The volume is missing or damaged.
        """
        values = self._files().read(name, index, window)
        limits = self.layout.ranges.get(name)
        return values if limits is None else dequantise(values, *limits)

    def sample(self, index: int) -> StoredSample:
        """Read a whole sample. Raises DatasetError if it is missing or damaged."""
        files = self._files()
        entry = find_entry(files.folder, self.layout, self.path, index, files.entry_names)
        volumes = {name: self.read(name, index) for name in self.layout.arrays}
        return StoredSample.from_record(entry.record_of(index), volumes, index)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open_files": None}

    def _files(self) -> "_OpenFiles":
        """Return what this process has opened, and open it at the first call."""
        if self._open_files is None or self._open_files[0] != os.getpid():
            self._open_files = os.getpid(), _OpenFiles(self)
        return self._open_files[1]


class _OpenFiles:
    """What one process has opened."""

    def __init__(self, reader: WindowReader) -> None:
        self.folder, self.layout = ObjectStore(reader.path), reader.layout
        self.cache: LocalCache | None = None
        if reader.cache is not None and not self.folder.is_local:
            if reader.seal is None:
                raise DatasetError(f"{reader.path}: only a sealed dataset can be kept in a cache")
            self.cache = LocalCache(self.folder, reader.seal, reader.cache)
        source = self.folder if self.cache is None else ObjectStore(self.cache.root)
        self.volumes = VolumeReader(source, reader.path, reader.threads)
        self.checked_shards: set[tuple[str, int]] = set()
        self.entry_names: EntryNames = {}

    def read(self, name: str, index: int, window: tuple[slice, ...]) -> np.ndarray:
        shard = index // self.layout.samples_per_shard
        if (name, shard) not in self.checked_shards:
            self._check_shard(name, shard)
            self.checked_shards.add((name, shard))
        return self.volumes.read(name, index, window)

    def _check_shard(self, name: str, shard: int) -> None:
        """Raise DatasetError if a shard is missing, since Zarr would read zeros from it."""
        if self.cache is not None:
            self.cache.fetch(name, shard)
        elif self.folder.size(key := self.layout.shard_key(name, shard)) is None:
            raise DatasetError(f"{self.folder.url}: {key} is missing; see factory verify")
