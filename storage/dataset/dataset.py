"""A dataset: written shard by shard, sealed, read, and summarised by a digest.

    DATASET/
      zarr.json  image/  label/  ...    a Zarr v3 group, see factory.storage.dataset.layout
      ledger/00000012-<cases>.json      one entry for each shard, put after the shard's objects
      seal/0001.json                    put last: sha256 of every other object
      cases.parquet                     one row for each sample, in order, written by the seal
      recipe.yaml  record.json          the recipe, and how the dataset was made
      growth.json                       while the dataset grows: its future record.json

A shard is complete once its ledger entry exists; the dataset is complete once its newest seal is
valid.
"""

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import zarr

from factory.storage.dataset import ledger
from factory.storage.dataset.documents import DatasetRecord, LedgerEntry, Seal
from factory.storage.dataset.layout import Layout, dequantise
from factory.storage.dataset.ledger_entries import (
    EntryNames,
    NamedEntry,
    find_entry,
    read_entries,
    remove_damaged_entries,
    shard_index,
)
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import (
    GROWTH,
    generation,
    parse_record,
    put_missing,
    record_objects,
)
from factory.storage.dataset.seal import (
    is_unaltered,
    make_seal,
    newest_seal,
    remove_superseded,
    seal_key,
)
from factory.storage.dataset.seal_contents import collect_seal_contents
from factory.storage.dataset.shard_writer import ShardWriter
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.dataset.volume_reader import VolumeReader, compute_digest, open_group
from factory.storage.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """A dataset on a disk or in a bucket.

    It is small, and can be pickled for the processes that write it.

    Attributes:
        path: A folder or URL.
        layout: Its arrays, and how they are divided into shards and bricks.
        record: The content of record.json.
        allow_mixed: Whether to write even in another environment than the dataset was begun in.
    """

    path: str
    layout: Layout
    record: DatasetRecord
    allow_mixed: bool = False

    @cached_property
    def folder(self) -> ObjectStore:
        """The objects of the dataset."""
        return ObjectStore(self.path)

    @cached_property
    def _entry_names(self) -> EntryNames:
        """The names in the ledger, listed when a sample was last not found by the names so far."""
        return {}

    # Writing

    def finished_shards(
        self, shards: Iterable[ledger.ShardLike], *, failed_too: bool = False
    ) -> set[int]:
        """Return the indices of the complete shards, from a listing of the ledger.

        The name of an entry identifies the shard and its cases. Its content is not read: the seal
        and factory.storage.dataset.verify check it.

        Args:
            shards: The shards of the plan in order; only as many are taken as the ledger has.
            failed_too: Whether a shard counts although a case of it could not be rendered.
        """
        names = {name for name in self.folder.list_names(ledger.LEDGER) if name[:8].isdigit()}
        last = max(map(shard_index, names), default=-1)
        return {
            shard.index
            for shard in itertools.takewhile(lambda shard: shard.index <= last, shards)
            if names.intersection(_possible_names(shard, failed_too))
        }

    def shard_writer(self, index: int, start: int, count: int) -> ShardWriter:
        """Return a writer that takes the samples of a shard one by one.

        Args:
            index: The index of the shard.
            start: The index of the first sample to come.
            count: The number of samples to come.

        Raises:
            DatasetError: As `ShardWriter` does.
        """
        return ShardWriter(
            self.folder,
            self.layout,
            self.record,
            index=index,
            start=start,
            count=count,
            allow_mixed=self.allow_mixed,
        )

    def write_shard(self, index: int, start: int, samples: Sequence[StoredSample]) -> None:
        """Write the objects of one shard, then its ledger entry; twice gives the same bytes.

        Args:
            index: The index of the shard.
            start: The index of the first sample. If it is not the first one of the shard, the
                samples before it are already stored, and are kept.
            samples: The samples from there to the end of the shard.

        Raises:
            SampleError: An array does not fit the layout, or is not finite.
            DatasetError: The environment is another, or the folder cannot be written.
        """
        writer = self.shard_writer(index, start, len(samples))
        for sample in samples:
            writer.add(sample)
        writer.close()

    def seal(self) -> None:
        """Write all small objects, then the seal. A complete dataset stays as it is.

        Raises:
            DatasetError: Some shards are missing or damaged. The message has their number; the
                entries of damaged shards are removed, so that they are rendered again.
        """
        if self.is_complete():
            self._remove_growth_record()
            return
        contents = collect_seal_contents(self.layout, self._entries())
        if missing := self.layout.shards - len(contents.entries):
            remove_damaged_entries(self.folder)
            raise DatasetError(
                f"{self.path}: {missing} of {self.layout.shards} shards are missing; "
                "the same command renders them"
            )
        small = contents.objects | record_objects(self.layout, self.record)
        put_missing(self.folder, small)
        self.folder.remove_temporary_files()
        key = seal_key(generation(self.record))
        self.folder.put(key, make_seal(self.record, contents.samples, small, contents.entries))
        remove_superseded(self.folder, key, contents.entries)
        self._remove_growth_record()

    def remove_entries(self, shards: Iterable[int]) -> None:
        """Remove the ledger entries of some shards, which then no longer count as complete."""
        prefixes = {f"{shard:08d}" for shard in shards}
        for name in self.folder.list_names(ledger.LEDGER):
            if name[:8] in prefixes:
                self.folder.delete(f"{ledger.LEDGER}/{name}")

    # Reading

    def is_complete(self) -> bool:
        """Return whether the newest seal is valid.

        It is valid if it is undamaged, of this generation or a later one, and all objects that it
        lists are unaltered. Shards are not read.
        """
        seal = self._current_seal()
        return seal is not None and is_unaltered(self.folder, seal)

    def growth_target(self) -> int | None:
        """Return the number of samples after a growth that is not sealed yet, else None."""
        record = parse_record(self.folder.get(GROWTH))
        return None if record is None else record["layout"]["samples"]

    @property
    def group(self) -> zarr.Group:
        """The Zarr group, read only. Raises DatasetError if its metadata is damaged."""
        return open_group(self.folder, self.path)

    def sample(self, index: int) -> StoredSample:
        """Read one sample: labels are of the table's type, images float32.

        Raises:
            DatasetError: The sample is missing or damaged.
        """
        entry = find_entry(self.folder, self.layout, self.path, index, self._entry_names)
        reader = VolumeReader(self.folder, self.path)
        arrays: dict[str, np.ndarray] = {}
        for name in self.layout.arrays:
            values = reader.read(name, index)
            limits = self.layout.ranges.get(name)
            arrays[name] = values if limits is None else dequantise(values, *limits)
        return StoredSample.from_record(entry.record_of(index), arrays, index)

    def cases(self) -> "pd.DataFrame":
        """Read the table of cases: one row for each stored sample, in order.

        It is read from cases.parquet once the dataset is sealed, and from the ledger before.
        """
        import pyarrow.parquet as pq

        data = self.folder.get("cases.parquet")
        seal = self._current_seal()
        if seal is None or ledger.sha256(data or b"") != seal["objects"]["cases.parquet"]:
            contents = collect_seal_contents(self.layout, self._entries())
            data = contents.objects["cases.parquet"]
        table = pq.read_table(io.BytesIO(data or b"")).to_pandas()
        return table[: self.layout.samples]  # the dataset may have grown since it was opened

    def failures(self) -> dict[int, str]:
        """Return the samples that could not be rendered, by index, and the reasons."""
        table = self.cases()
        if "failure" not in table:
            return {}
        failed = table[table["failure"].notna()]
        return dict(zip(failed["sample"].tolist(), failed["failure"], strict=True))

    def stored_bytes(self) -> dict[str, int]:
        """Return the bytes of the complete shards, by array."""
        total = dict.fromkeys(self.layout.arrays, 0)
        for member in self._entries():
            for key, stored in member.entry.objects.items():
                total[key.split("/")[0]] += stored["bytes"]
        return total

    def digest(self) -> str:
        r"""Return the sha256 of the content, which depends neither on time, place nor shard size.

        For each sample in order, it is computed of: for each array in the order of Layout.arrays,
        the line "<name> <dtype> <z>,<y>,<x>\n" (dtype as numpy writes it, "<u2" or "|u1"; of an
        image of channels "<channel>,<z>,<y>,<x>") and the bytes of the decoded array, in C order,
        little endian; then the case as canonical JSON and "\n". All volumes are read, with one
        sample in memory at a time.

        Raises:
            DatasetError: A shard is missing, or one of its objects is cut short.
        """
        return compute_digest(self.folder, self.path, self.layout, self._all_entries())

    # Helpers

    def _current_seal(self) -> Seal | None:
        """Return the newest seal, if it is of this generation or a later one."""
        seal = newest_seal(self.folder)
        return seal if seal and seal["generation"] >= generation(self.record) else None

    def _remove_growth_record(self) -> None:
        """Remove the record of a growth that is sealed."""
        record = parse_record(self.folder.get(GROWTH))
        if record is not None and generation(record) <= generation(self.record):
            self.folder.delete(GROWTH)

    def _entries(self) -> Iterator[NamedEntry]:
        return read_entries(self.folder, self.layout)

    def _all_entries(self) -> Iterator[LedgerEntry]:
        """Yield the entries of all shards in order. Raises DatasetError if one is missing."""
        expected = 0
        for member in self._entries():
            if member.entry.shard != expected:
                break
            yield member.entry
            expected += 1
        if expected < self.layout.shards:
            raise DatasetError(f"{self.path}: not complete, so it has no digest")


def _possible_names(shard: ledger.ShardLike, failed_too: bool) -> list[str]:
    """Return the names that the entry of a shard may have."""
    digest = ledger.cases_digest([case.to_json() for case in shard.cases])
    return [
        ledger.entry_name(shard.index, digest, vacant)
        for vacant in ((False, True) if failed_too else (False,))
    ]
