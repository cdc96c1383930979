"""Writing one shard: it takes sample after sample, and is written as a whole.

Only the compressed bricks of a sample are kept, so a shard of many samples needs little more memory
than a shard of one.
"""

from factory.storage.dataset import ledger
from factory.storage.dataset.documents import DatasetRecord, LedgerEntry, SampleRecord, StoredObject
from factory.storage.dataset.environment import current_environment, refuse_mixed
from factory.storage.dataset.layout import Layout, encode_volumes, pad_to_shape, quantise
from factory.storage.dataset.ledger_entries import read_shard_entries, shard_range
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.shard_codec import Part, join_parts
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import DatasetError


class ShardWriter:
    """Takes the samples of one shard in order, then writes them; twice gives the same bytes.

    Args:
        folder: The objects of the dataset.
        layout: The layout of the dataset.
        record: The record of the dataset.
        index: The index of the shard.
        start: The index of the first sample to come. If it is not the first one of the shard, the
            samples before it are already stored, and are kept.
        count: The number of samples to come.
        allow_mixed: Whether to write even in another environment than the dataset was begun in.

    Raises:
        DatasetError: `start` and `count` do not fit the shard, or the environment is another.
    """

    def __init__(
        self,
        folder: ObjectStore,
        layout: Layout,
        record: DatasetRecord,
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
        self.records: list[SampleRecord] = []
        if start > self.first:
            self._keep_samples(start - self.first)

    def add(self, sample: StoredSample) -> None:
        """Take the next sample. Raises SampleError, without a change, if it does not fit."""
        layout = self.layout
        clipped: dict[str, float] = {}
        parts: dict[str, list[Part]] = {}
        for name in layout.arrays:
            values = sample.storable_array(name, layout)
            if not layout.is_label(name):
                values, clipped[name] = quantise(values, *layout.ranges[name])
            parts[name] = encode_volumes(
                layout, name, [pad_to_shape(values, layout.array_shape_of(name))]
            )
        self.records.append(sample.to_record(layout, clipped))
        for name in layout.arrays:
            self.parts[name] += parts[name]
        self.count -= 1

    def close(self) -> None:
        """Write the shard's objects, then its ledger entry.

        Raises:
            DatasetError: Samples are missing, or the folder cannot be written.
        """
        folder, layout = self.folder, self.layout
        if self.count:
            raise DatasetError(f"{folder.url}: shard {self.index} lacks {self.count} samples")
        objects: dict[str, StoredObject] = {}
        for name in layout.arrays:
            key = layout.shard_key(name, self.index)
            data = join_parts(self.parts[name], layout.bricks_of(name), layout.samples_per_shard)
            folder.put(key, data)
            objects[key] = {"bytes": len(data), "sha256": ledger.sha256(data)}
        cases = [ledger.canonical_json(record.case).decode() for record in self.records]
        digest = ledger.cases_digest(cases)
        entry = LedgerEntry(
            shard=self.index,
            start=self.first,
            cases_sha256=digest,
            samples=self.records,
            objects=objects,
            environment=self.here,
        )
        vacant = bool(entry.failures)
        name, other = (ledger.entry_name(self.index, digest, v) for v in (vacant, not vacant))
        folder.put(f"{ledger.LEDGER}/{name}", ledger.sign(entry.to_json()))
        folder.delete(f"{ledger.LEDGER}/{other}")

    def _keep_samples(self, count: int) -> None:
        """Begin with the shard's first `count` samples, which are stored already."""
        entry = self._find_entry(count)
        self.records = list(entry.samples)
        for name in self.layout.arrays:
            self.parts[name] = [self._read_part(name, entry)]

    def _find_entry(self, count: int) -> LedgerEntry:
        """Return the entry of the shard's first `count` samples, to which more are added."""
        for entry in read_shard_entries(self.folder, self.index):
            if len(entry.samples) == count:
                return entry
        raise DatasetError(
            f"{self.folder.url}: shard {self.index} cannot grow: its ledger entry is damaged"
        )

    def _read_part(self, name: str, entry: LedgerEntry) -> Part:
        """Read and check an array's part with the samples of an entry; more may follow in it."""
        layout, key = self.layout, self.layout.shard_key(name, self.index)
        room, count = layout.samples_per_shard, len(entry.samples)
        bricks = layout.bricks_of(name)
        try:
            data = join_parts([Part(self.folder.get(key) or b"", room, count)], bricks, room)
        except ValueError:
            data = b""
        if ledger.sha256(data) != entry.objects[key]["sha256"]:
            raise DatasetError(
                f"{self.folder.url}: {key} is damaged; factory repair makes it again"
            )
        return Part(data, room, count)
