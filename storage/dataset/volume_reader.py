"""Reading stored volumes, and computing their digest.

Volumes are read with tensorstore if it is installed and the dataset is on a disk, since it is three
times as fast (benchmarks/brick_size.py), otherwise with zarr-python. A process that has read with
tensorstore must not fork any more, because its children would abort.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import zarr
from zarr.storage import FsspecStore

from factory.storage.dataset import ledger
from factory.storage.dataset.documents import LedgerEntry
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError


def open_group(folder: ObjectStore, path: str) -> zarr.Group:
    """Open the Zarr group for reading. Raises DatasetError if its metadata is damaged."""
    try:
        if folder.is_local:
            return zarr.open_group(str(folder.root), mode="r")
        store = FsspecStore.from_url(folder.url, folder.options, read_only=True)
        return zarr.open_group(store, mode="r")
    except Exception as error:
        raise DatasetError(f"{path}: zarr.json is missing or damaged") from error


_forks_abort = False


def forks_abort() -> bool:
    """Return whether this process has read with tensorstore, so that it must not fork."""
    return _forks_abort


class VolumeReader:
    """Reads the volumes of a dataset as they are stored, by name and sample.

    Args:
        folder: The objects of the dataset.
        path: The dataset's path, for messages.
        threads: The number of threads of tensorstore; None lets it choose, and 0 does not use
            tensorstore, so that this process may fork later.
    """

    def __init__(self, folder: ObjectStore, path: str, threads: int | None = None) -> None:
        self.folder, self.path, self.threads = folder, path, threads
        self.group = open_group(folder, path)
        # arrays of zarr or tensorstore, which is untyped
        self.arrays: dict[str, Any] = {}

    def read(self, name: str, index: int, window: tuple[slice, ...] = ()) -> np.ndarray:
        """Read the stored values [z, y, x] of one sample, or a window of them.

        An image of named channels is [channel, z, y, x].

        Args:
            name: The name of the array.
            index: The index of the sample.
            window: One slice for each of z, y, x, before them one for the channels if not all are
                to be read; empty for the whole volume.

        Raises:
            DatasetError: The bytes are missing or damaged.
        """
        try:
            if name not in self.arrays:
                self.arrays[name] = self._open_array(name)
            return np.ascontiguousarray(self.arrays[name][(index, ..., *window)])
        except Exception as error:  # each codec raises its own errors
            raise DatasetError(
                f"{self.path}: {name} of sample {index} is missing or damaged"
            ) from error

    def _open_array(self, name: str) -> Any:  # of zarr or tensorstore, which is untyped
        global _forks_abort
        # tensorstore finds the credentials of S3 in another way than s3fs
        if not self.folder.is_local or self.threads == 0:
            return self.group[name]
        try:
            import tensorstore
        except ImportError:
            return self.group[name]
        _forks_abort = True
        store = {"driver": "file", "path": f"{self.folder.path(name)}/"}
        limit = {} if self.threads is None else {"data_copy_concurrency": {"limit": self.threads}}
        spec, context = {"driver": "zarr3", "kvstore": store}, tensorstore.Context(limit)
        return tensorstore.open(spec, read=True, context=context).result()


def compute_digest(
    folder: ObjectStore, path: str, layout: Layout, entries: Iterable[LedgerEntry]
) -> str:
    """Compute `Dataset.digest` from the entries of all shards."""
    total, reader = hashlib.sha256(), VolumeReader(folder, path)
    for entry in entries:
        for key, stored in entry.objects.items():
            if (folder.size(key) or 0) < stored["bytes"]:  # longer while the dataset grows
                raise DatasetError(f"{path}: {key} is missing or damaged")
        for offset, sample in enumerate(entry.samples):
            for name in layout.arrays:
                values = reader.read(name, entry.start + offset)
                values = values.astype(values.dtype.newbyteorder("<"), copy=False)
                shape = ",".join(map(str, values.shape))
                total.update(f"{name} {values.dtype.str} {shape}\n".encode())
                total.update(values.data)
            total.update(ledger.canonical_json(sample.case) + b"\n")
    return total.hexdigest()
