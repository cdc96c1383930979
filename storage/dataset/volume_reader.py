"""Reading stored volumes: through tensorstore where it is installed and the dataset is on a disk
(benchmarks/brick_size.py: three times as fast), else through zarr-python; and their digest.

A process that has read through tensorstore cannot fork any more: its children would abort.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import zarr
from zarr.storage import FsspecStore

from factory.storage.dataset import ledger
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError


def open_group(folder: ObjectStore, path: str) -> zarr.Group:
    """The Zarr group, read only. Raises DatasetError where its metadata is damaged."""
    try:
        if folder.is_local:
            return zarr.open_group(str(folder.root), mode="r")
        store = FsspecStore.from_url(folder.url, folder.options, read_only=True)
        return zarr.open_group(store, mode="r")
    except Exception as error:
        raise DatasetError(f"{path}: zarr.json is missing or damaged") from error


_forks_abort = False


def forks_abort() -> bool:
    """Whether this process has read through tensorstore, so that it cannot fork any more."""
    return _forks_abort


class VolumeReader:
    """The volumes of a dataset by name and sample, as they are stored.

    threads: of tensorstore; None for as many as it likes, 0 to do without it, so that this
    process may fork later.
    """

    def __init__(self, folder: ObjectStore, path: str, threads: int | None = None) -> None:
        self.folder, self.path, self.threads = folder, path, threads
        self.group = open_group(folder, path)
        self.opened: dict[str, Any] = {}

    def read(self, name: str, index: int, window: tuple[slice, ...] = ()) -> np.ndarray:
        """One sample's stored values [z, y, x], or a window of them.

        Raises DatasetError where its bytes are damaged.
        """
        try:
            if name not in self.opened:
                self.opened[name] = self._open(name)
            return np.ascontiguousarray(self.opened[name][(index, *window)])
        except Exception as error:  # each codec has errors of its own
            raise DatasetError(
                f"{self.path}: {name} of sample {index} is missing or damaged"
            ) from error

    def _open(self, name: str) -> Any:
        global _forks_abort
        # tensorstore's S3 looks for credentials in ways of its own
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
    folder: ObjectStore, path: str, layout: Layout, entries: Iterable[Mapping[str, Any]]
) -> str:
    """Dataset.digest, from the entries of all its shards."""
    total, volumes = hashlib.sha256(), VolumeReader(folder, path)
    for entry in entries:
        for key, written in entry["objects"].items():
            if (folder.size(key) or 0) < written["bytes"]:  # it may grow meanwhile
                raise DatasetError(f"{path}: {key} is missing or damaged")
        for offset, sample in enumerate(entry["samples"]):
            for name in layout.arrays:
                values = volumes.read(name, entry["start"] + offset)
                values = values.astype(values.dtype.newbyteorder("<"), copy=False)
                shape = ",".join(map(str, values.shape))
                total.update(f"{name} {values.dtype.str} {shape}\n".encode())
                total.update(values.data)
            total.update(ledger.canonical_json(sample["case"]) + b"\n")
    return total.hexdigest()
