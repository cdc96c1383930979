"""The dataset a recipe becomes: written shard by shard, sealed, read, digested.

    DATASET/
      zarr.json  image/  label/  ...    a Zarr v3 group, see factory.storage.dataset.layout
      ledger/00000012-<cases>.json      one entry a shard, put after the shard's objects
      seal/0001.json                    put last: sha256 of every other object
      cases.parquet                     a row a sample, in order, written at the seal
      recipe.yaml  record.json          what was asked, and what made it
      growth.json                       while it grows: what record.json will be

A shard stands once its ledger entry does; the dataset is complete once its newest seal is valid.
"""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import zarr

from factory.storage.dataset import ledger
from factory.storage.dataset.layout import Layout, dequantise
from factory.storage.dataset.ledger_entries import (
    EntryNames,
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
    """A dataset on a disk or in a bucket; small, and picklable to the processes that write it.

    record: what record.json says: recipe_digest, recipe_text, layout, environment and what the
    caller added. allow_mixed: write even where the environment is another than the dataset was
    begun in.
    """

    path: str
    layout: Layout
    record: Mapping[str, Any]
    allow_mixed: bool = False

    @cached_property
    def folder(self) -> ObjectStore:
        return ObjectStore(self.path)

    @cached_property
    def _known(self) -> EntryNames:
        """Names in the ledger, as of the last sample that was looked for."""
        return {}

    # Writing

    def finished_shards(
        self, shards: Iterable[ledger.ShardLike], *, failed_too: bool = False
    ) -> set[int]:
        """Indices of the shards that stand, by the names in the ledger: nothing is read.

        shards: in order, taken lazily, no further than the ledger goes. A name says which shard of
        which cases; whether the entry is whole, the seal and factory.storage.dataset.verify find
        out. failed_too: also those in which a case could not be rendered, else these are tried
        again.
        """
        present = {name for name in self.folder.list_names(ledger.LEDGER) if name[:8].isdigit()}
        last = max(map(shard_index, present), default=-1)
        return {
            shard.index
            for shard in itertools.takewhile(lambda shard: shard.index <= last, shards)
            if present.intersection(_names(shard, failed_too))
        }

    def shard_writer(self, index: int, start: int, count: int) -> ShardWriter:
        """What takes the samples of a shard one by one. Raises as
        factory.storage.dataset.shard_writer says.
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
        """Write the objects of one shard, then its ledger entry. Written twice, same bytes.

        start: index of the first sample. Where it lies within the shard, those before it stand
        already, and are kept as they are. Raises SampleError where an array does not fit the
        layout or is not finite, DatasetError where the environment is another or the folder
        refuses.
        """
        writer = self.shard_writer(index, start, len(samples))
        for sample in samples:
            writer.add(sample)
        writer.close()

    def seal(self) -> None:
        """Write all small objects, then the seal. Nothing where all that stands.

        Raises DatasetError naming the number of shards that are missing, or that are not whole:
        these do not stand any more.
        """
        if self.is_complete():
            self._forget_plan()
            return
        gathered = collect_seal_contents(self.layout, self._entries())
        if missing := self.layout.shards - len(gathered.entries):
            remove_damaged_entries(self.folder)
            raise DatasetError(
                f"{self.path}: {missing} of {self.layout.shards} shards are missing; "
                "the same command renders them"
            )
        small = gathered.objects | record_objects(self.layout, self.record)
        put_missing(self.folder, small)
        self.folder.remove_temporary_files()
        key = seal_key(generation(self.record))
        self.folder.put(key, make_seal(self.record, gathered.samples, small, gathered.entries))
        remove_superseded(self.folder, key, gathered.entries)
        self._forget_plan()

    def remove_entries(self, shards: Iterable[int]) -> None:
        """Remove the entries of some shards, so that these do not stand any more."""
        prefixes = {f"{shard:08d}" for shard in shards}
        for name in self.folder.list_names(ledger.LEDGER):
            if name[:8] in prefixes:
                self.folder.delete(f"{ledger.LEDGER}/{name}")

    # Reading

    def is_complete(self) -> bool:
        """Whether the newest seal is valid: whole, of this generation or a later one, and all it
        names is there unaltered. The voxels themselves are not read.
        """
        seal = self._seal()
        return seal is not None and is_unaltered(self.folder, seal)

    def growth_target(self) -> int | None:
        """How many samples it will have, where a growth has begun that is not sealed yet."""
        plan = parse_record(self.folder.get(GROWTH))
        return None if plan is None else int(plan["layout"]["samples"])

    @property
    def group(self) -> zarr.Group:
        """The Zarr group, read only. Raises DatasetError where its metadata is damaged."""
        return open_group(self.folder, self.path)

    def sample(self, index: int) -> StoredSample:
        """One sample as arrays: label uint8, images float32. Raises DatasetError if not there."""
        entry = find_entry(self.folder, self.layout, self.path, index, self._known)
        stored = entry["samples"][index - entry["start"]]
        arrays, volumes = {}, VolumeReader(self.folder, self.path)
        for name in self.layout.arrays:
            values = volumes.read(name, index)
            known = self.layout.ranges.get(name)
            arrays[name] = values if known is None else dequantise(values, *known)
        return StoredSample.from_record(stored, arrays, index)

    def cases(self) -> "pd.DataFrame":
        """The table of cases: a row a sample that stands, in order; cases.parquet once sealed."""
        import pyarrow.parquet as pq

        data = self.folder.get("cases.parquet")
        seal = self._seal()
        if seal is None or ledger.sha256(data or b"") != seal["objects"]["cases.parquet"]:
            data = collect_seal_contents(self.layout, self._entries()).objects["cases.parquet"]
        table = pq.read_table(io.BytesIO(data or b"")).to_pandas()
        return table[: self.layout.samples]  # it may have grown since this was opened

    def failures(self) -> dict[int, str]:
        """Samples that could not be rendered, and why: they keep their place, not accepted."""
        table = self.cases()
        known = table[table["failure"].notna()] if "failure" in table else table[:0]
        return (
            dict(zip(known["sample"].tolist(), known["failure"], strict=True)) if len(known) else {}
        )

    def stored_bytes(self) -> dict[str, int]:
        """Bytes of the shards that stand, by array."""
        total = dict.fromkeys(self.layout.arrays, 0)
        for _, entry in self._entries():
            for key, written in entry["objects"].items():
                total[key.split("/")[0]] += written["bytes"]
        return total

    def digest(self) -> str:
        """sha256 of what the dataset holds, whoever made it, when and however it is cut.

        For each sample in order: for each array in the order of Layout.arrays, the line
        "<name> <dtype> <z>,<y>,<x>\\n" (dtype as numpy writes it, "<u2" or "|u1") and the decoded
        array's bytes, C order, little endian; then the case as canonical JSON and "\\n".
        Reads everything, one sample in memory at a time. Raises DatasetError where a shard is
        missing or its objects are not there in full.
        """
        return compute_digest(self.folder, self.path, self.layout, self._every_entry())

    # Within

    def _seal(self) -> dict[str, Any] | None:
        """The newest seal, if it is of this generation or a later one."""
        seal = newest_seal(self.folder)
        return seal if seal and seal["generation"] >= generation(self.record) else None

    def _forget_plan(self) -> None:
        """Remove the record of a growth that is sealed."""
        plan = parse_record(self.folder.get(GROWTH))
        if plan is not None and generation(plan) <= generation(self.record):
            self.folder.delete(GROWTH)

    def _entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return read_entries(self.folder, self.layout)

    def _every_entry(self) -> Iterator[dict[str, Any]]:
        """The entries of all shards, in order. Raises DatasetError where one is missing."""
        expected = 0
        for _, entry in self._entries():
            if entry["shard"] != expected:
                break
            yield entry
            expected += 1
        if expected < self.layout.shards:
            raise DatasetError(f"{self.path}: not complete, so it has no digest")


def _names(shard: ledger.ShardLike, failed_too: bool) -> list[str]:
    """The names that a shard's entry may have."""
    digest = ledger.cases_digest([case.to_json() for case in shard.cases])
    kinds = (False, True) if failed_too else (False,)
    return [ledger.entry_name(shard.index, digest, vacant) for vacant in kinds]
