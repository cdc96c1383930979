"""One shard on its way into a dataset: taken sample by sample, put as a whole.

Of a sample only its compressed bricks are held, so a shard of many needs little more memory than
one of one.
"""

from collections.abc import Mapping
from typing import Any

from factory.storage.dataset import ledger
from factory.storage.dataset.environment import current_environment, refuse_mixed
from factory.storage.dataset.layout import Layout, encode_volumes, pad_to_shape, quantise
from factory.storage.dataset.ledger_entries import failures_in, read_shard_entries, shard_range
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.shard_codec import Part, join_parts
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import DatasetError


class ShardWriter:
    """Takes the samples of one shard in order, then writes. Written twice, same bytes.

    folder, layout, record: of the dataset. start: index of the first sample. Where it lies within
    the shard, those before it stand already, and are kept as they are. count: samples to come.
    allow_mixed: write even in another environment than the dataset was begun in. Raises
    DatasetError where these are not the shard's place and number, or the environment is another.
    """

    def __init__(
        self,
        folder: ObjectStore,
        layout: Layout,
        record: Mapping[str, Any],
        *,
        index: int,
        start: int,
        count: int,
        allow_mixed: bool = False,
    ) -> None:
        self.folder, self.layout, self.index, self.count = folder, layout, index, count
        self.first, expected = shard_range(layout, index)
        end = self.first + expected
        if not self.first <= start < end or start + count != end:
            raise DatasetError(
                f"{folder.url}: shard {index} holds {expected} samples from {self.first}, "
                f"not {count} from {start}"
            )
        begun = record["environment"]
        self.here = current_environment(begun["device"], begun["threads"])
        if not allow_mixed:
            refuse_mixed(folder.url, begun, self.here)
        self.parts: dict[str, list[Part]] = {name: [] for name in layout.arrays}
        self.records: list[dict[str, Any]] = []
        if start > self.first:
            self._keep(start - self.first)

    def add(self, sample: StoredSample) -> None:
        """Take the next sample. Raises SampleError, and takes nothing, where it does not fit."""
        layout, clipped = self.layout, {}
        parts = {}
        for name in layout.arrays:
            values = sample.storable_array(name, layout)
            if not layout.is_label(name):
                values, clipped[name] = quantise(values, *layout.ranges[name])
            parts[name] = encode_volumes(
                layout, name, [pad_to_shape(values, layout.shape_of(name))]
            )
        self.records.append(sample.to_record(layout, clipped))
        for name in layout.arrays:
            self.parts[name] += parts[name]
        self.count -= 1

    def close(self) -> None:
        """Write the shard's objects, then its ledger entry. Raises DatasetError where the folder
        refuses, or samples are missing.
        """
        folder, layout = self.folder, self.layout
        if self.count:
            raise DatasetError(f"{folder.url}: shard {self.index} lacks {self.count} samples")
        objects = {}
        for name in layout.arrays:
            key = f"{name}/c/{self.index}/0/0/0"
            data = join_parts(self.parts[name], layout.bricks_of(name), layout.samples_per_shard)
            folder.put(key, data)
            objects[key] = {"bytes": len(data), "sha256": ledger.sha256(data)}
        cases = [ledger.canonical_json(record["case"]).decode() for record in self.records]
        digest = ledger.cases_digest(cases)
        entry = {
            "shard": self.index,
            "start": self.first,
            "cases_sha256": digest,
            "samples": self.records,
            "objects": objects,
            "environment": self.here,
        }
        vacant = bool(failures_in(entry))
        name, other = (ledger.entry_name(self.index, digest, v) for v in (vacant, not vacant))
        folder.put(f"{ledger.LEDGER}/{name}", ledger.sign(entry))
        folder.delete(f"{ledger.LEDGER}/{other}")

    def _keep(self, count: int) -> None:
        """Begin with the shard's first `count` samples, which stand."""
        standing = self._standing(count)
        self.records = list(standing["samples"])
        for name in self.layout.arrays:
            self.parts[name] = [self._kept(name, standing)]

    def _standing(self, count: int) -> dict[str, Any]:
        """The entry of the shard's first `count` samples, to which more are added."""
        for entry in read_shard_entries(self.folder, self.index):
            if len(entry["samples"]) == count:
                return entry
        raise DatasetError(
            f"{self.folder.url}: shard {self.index} cannot grow: its ledger entry is damaged"
        )

    def _kept(self, name: str, standing: Mapping[str, Any]) -> Part:
        """An array's part of the samples that stand, checked; more may lie behind them."""
        layout, key = self.layout, f"{name}/c/{self.index}/0/0/0"
        room, count = layout.samples_per_shard, len(standing["samples"])
        bricks = layout.bricks_of(name)
        try:
            data = join_parts([Part(self.folder.get(key) or b"", room, count)], bricks, room)
        except ValueError:
            data = b""
        if ledger.sha256(data) != standing["objects"][key]["sha256"]:
            raise DatasetError(
                f"{self.folder.url}: {key} is damaged; factory repair makes it again"
            )
        return Part(data, room, count)
