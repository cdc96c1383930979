"""The dataset a recipe becomes: written shard by shard, sealed, read, digested.

    DATASET/
      zarr.json  image/  label/  ...    a Zarr v3 group, see storage.layout
      ledger/00000012-<cases>.json      one entry a shard, put after the shard's objects
      seal/0001.json                    put last: sha256 of everything else that is small
      cases.parquet                     a row a sample, in order, written at the seal
      recipe.yaml  record.json          what was asked, and what made it

A shard stands once its ledger entry does; the dataset is complete once its newest seal is valid.
"""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from storage import ledger
from storage.cases_table import row, to_parquet
from storage.environment import environment, refuse_mixed
from storage.errors import DatasetError
from storage.folder import Folder
from storage.layout import Layout, dequantise, encode, padded, quantise
from storage.stored_sample import StoredSample

if TYPE_CHECKING:
    import pandas as pd

FILES = ("cases.parquet", "recipe.yaml", "zarr.json")


@dataclass(frozen=True)
class Dataset:
    """A dataset on a disk or in a bucket; small, and picklable to the processes that write it.

    record: what record.json says: recipe_digest, layout, environment and what the caller added.
    allow_mixed: write even where the environment is another than the dataset was begun in.
    """

    path: str
    layout: Layout
    record: Mapping[str, Any]
    allow_mixed: bool = False

    @cached_property
    def folder(self) -> Folder:
        return Folder(self.path)

    # Writing

    def done(self, shards: Iterable[ledger.ShardLike]) -> set[int]:
        """Indices of the shards that stand: their entry is whole and is for the same cases."""
        present = self.folder.names(ledger.LEDGER)
        standing = set()
        for shard in shards:
            digest = ledger.cases_digest([case.to_json() for case in shard.cases])
            name = ledger.entry_name(shard.index, digest)
            if name in present:
                entry = ledger.parse(self.folder.get(f"{ledger.LEDGER}/{name}"))
                if entry is not None and entry["cases_sha256"] == digest:
                    standing.add(shard.index)
        return standing

    def write_shard(self, index: int, start: int, samples: Sequence[StoredSample]) -> None:
        """Write the objects of one shard, then its ledger entry. Written twice, same bytes.

        start: index of its first sample. Raises SampleError where an array does not fit the
        layout or is not finite, DatasetError where the environment is another or the folder
        refuses.
        """
        self._check_place(index, start, len(samples))
        here = self._environment_here()
        clipped: list[dict[str, float]] = [{} for _ in samples]
        objects = {}
        for name in self.layout.arrays:
            volumes = []
            for sample, fractions in zip(samples, clipped, strict=True):
                values = sample.checked(name, self.layout)
                if not self.layout.is_label(name):
                    values, fractions[name] = quantise(values, *self.layout.ranges[name])
                volumes.append(padded(values, self.layout.shape_of(name)))
            (data,) = encode(self.layout, name, np.stack(volumes)).values()
            key = f"{name}/c/{index}/0/0/0"
            self.folder.put(key, data)
            objects[key] = {"bytes": len(data), "sha256": ledger.sha256(data)}
        digest = ledger.cases_digest([sample.case for sample in samples])
        entry = {
            "shard": index,
            "start": start,
            "cases_sha256": digest,
            "samples": [
                sample.to_record(self.layout, fractions)
                for sample, fractions in zip(samples, clipped, strict=True)
            ],
            "objects": objects,
            "environment": here,
        }
        name = ledger.entry_name(index, digest)
        self.folder.put(f"{ledger.LEDGER}/{name}", ledger.signed(entry))

    def seal(self) -> None:
        """Write the table and the small arrays, then the seal. Nothing where all that stands.

        Raises DatasetError naming the number of shards that are missing.
        """
        if self.is_complete():
            return
        entries = self._entries()
        if len(entries) < self.layout.shards:
            missing = self.layout.shards - len(entries)
            raise DatasetError(
                f"{self.path}: {missing} of {self.layout.shards} shards are missing; "
                "the same command renders them"
            )
        samples = [sample for _, entry in entries for sample in entry["samples"]]
        for name in self.layout.grids:
            values = np.array([sample[name] for sample in samples])
            for key, data in encode(self.layout, name, values).items():
                self.folder.put(f"{name}/{key}", data)
        self.folder.put("cases.parquet", to_parquet(self._rows()))
        generation = max((number for number, _ in self._seals()), default=0) + 1
        document = {
            "generation": generation,
            "samples": len(samples),
            "objects": {key: ledger.sha256(self.folder.get(key) or b"") for key in self._small()},
            "ledger": {name: entry["sha256"] for name, entry in entries},
        }
        self.folder.sweep()
        name = ledger.seal_name(generation)
        self.folder.put(f"{ledger.SEALS}/{name}", ledger.signed(document))

    # Reading

    def is_complete(self) -> bool:
        """Whether the newest seal is valid: whole, and all it names is there unaltered.

        The voxels themselves are not read.
        """
        seals = self._seals()
        if not seals:
            return False
        seal = ledger.parse(self.folder.get(f"{ledger.SEALS}/{max(seals)[1]}"))
        if seal is None or set(seal["objects"]) != set(self._small()):
            return False
        for key, digest in seal["objects"].items():
            data = self.folder.get(key)
            if data is None or ledger.sha256(data) != digest:
                return False
        return seal["ledger"] == {name: entry["sha256"] for name, entry in self._entries()}

    @property
    def group(self) -> zarr.Group:
        """The Zarr group, read only. Raises DatasetError where its metadata is damaged."""
        place = self.folder.root if self.folder.is_local else self.folder.url
        try:
            return zarr.open_group(place, mode="r")
        except Exception as error:
            raise DatasetError(f"{self.path}: zarr.json is missing or damaged") from error

    def sample(self, index: int) -> StoredSample:
        """One sample as arrays: label uint8, images float32. Raises DatasetError if not there."""
        entry = self._entry_of(index)
        stored = entry["samples"][index - entry["start"]]
        arrays, group = {}, self.group
        for name in self.layout.arrays:
            values = self._volume(group, name, index)
            known = self.layout.ranges.get(name)
            arrays[name] = values if known is None else dequantise(values, *known)
        return StoredSample.from_record(stored, arrays, index)

    def cases(self) -> "pd.DataFrame":
        """The table of cases: a row a sample that stands, in order; cases.parquet once sealed."""
        import pyarrow.parquet as pq

        data = self.folder.get("cases.parquet") if self.is_complete() else None
        return pq.read_table(io.BytesIO(data or to_parquet(self._rows()))).to_pandas()

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
        entries = self._entries()
        if len(entries) < self.layout.shards:
            raise DatasetError(f"{self.path}: not complete, so it has no digest")
        total, group = hashlib.sha256(), self.group
        for _, entry in entries:
            for key, written in entry["objects"].items():
                if self.folder.size(key) != written["bytes"]:
                    raise DatasetError(f"{self.path}: {key} is missing or damaged")
            for offset, sample in enumerate(entry["samples"]):
                for name in self.layout.arrays:
                    values = self._volume(group, name, entry["start"] + offset)
                    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
                    shape = ",".join(map(str, values.shape))
                    total.update(f"{name} {values.dtype.str} {shape}\n".encode())
                    total.update(values.data)
                total.update(ledger.canonical(sample["case"]) + b"\n")
        return total.hexdigest()

    # Within

    def _volume(self, group: zarr.Group, name: str, index: int) -> np.ndarray:
        """The stored values of one sample. Raises DatasetError where its bytes are damaged."""
        try:
            return np.ascontiguousarray(group[name][index])  # type: ignore[index]
        except Exception as error:  # each codec has errors of its own
            raise DatasetError(
                f"{self.path}: {name} of sample {index} is missing or damaged"
            ) from error

    def _rows(self) -> list[dict[str, Any]]:
        return [
            row(entry["start"] + offset, sample)
            for _, entry in self._entries()
            for offset, sample in enumerate(entry["samples"])
        ]

    def _small(self) -> list[str]:
        """Keys of what a seal covers besides the ledger."""
        small: dict[str, tuple[int, ...]] = {"sample": (), **self.layout.grids}
        arrays = [*self.layout.arrays, *small]
        chunks = [
            "/".join([name, "c", chunk, *("0" for _ in shape)])
            for name, shape in small.items()
            for chunk in sorted(self.folder.names(f"{name}/c"))
        ]
        return ["record.json", *FILES, *(f"{name}/zarr.json" for name in arrays), *chunks]

    def _seals(self) -> list[tuple[int, str]]:
        names = self.folder.names(ledger.SEALS)
        return [(int(n.removesuffix(".json")), n) for n in names if n.endswith(".json")]

    def _entries(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and entry of every shard that stands, in order of shard."""
        found: dict[int, tuple[str, dict[str, Any]]] = {}
        for name in sorted(self.folder.names(ledger.LEDGER)):
            data = self.folder.get(f"{ledger.LEDGER}/{name}")
            entry = ledger.parse(data)
            if data is not None and entry is not None:
                found[entry["shard"]] = (name, {**entry, "sha256": ledger.sha256(data)})
        return [found[index] for index in sorted(found)]

    def _entry_of(self, sample: int) -> dict[str, Any]:
        prefix = f"{sample // self.layout.samples_per_shard:08d}-"
        for name in self.folder.names(ledger.LEDGER):
            if name.startswith(prefix):
                entry = ledger.parse(self.folder.get(f"{ledger.LEDGER}/{name}"))
                if entry is not None:
                    return entry
        raise DatasetError(f"{self.path}: sample {sample} is not there")

    def _check_place(self, index: int, start: int, count: int) -> None:
        size = self.layout.samples_per_shard
        expected = min(size, self.layout.samples - index * size)
        if start != index * size or count != expected:
            raise DatasetError(
                f"{self.path}: shard {index} holds {expected} samples from {index * size}, "
                f"not {count} from {start}"
            )

    def _environment_here(self) -> dict[str, Any]:
        begun = self.record["environment"]
        here = environment(begun["device"], begun["threads"])
        if not self.allow_mixed:
            refuse_mixed(self.path, begun, here)
        return here
