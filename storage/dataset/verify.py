"""Reading all objects of a dataset, to find those that are damaged or missing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from factory.storage.dataset import ledger
from factory.storage.dataset.documents import DatasetRecord, LedgerEntry
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.ledger_entries import read_entries
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import generation
from factory.storage.dataset.seal import SEALS, newest_seal, seal_key
from factory.storage.dataset.shard_codec import Part, join_parts

_READERS = 8  # the number of shards that are read at a time; a bucket answers many requests at once


@dataclass(frozen=True)
class Damage:
    """An object that is not as it was written.

    Attributes:
        key: The key of the object.
        what: "missing" or "damaged".
        shard: The index of the shard to which the object belongs, if it belongs to one.
    """

    key: str
    what: str
    shard: int | None = None

    def __str__(self) -> str:
        return ("" if self.shard is None else f"shard {self.shard}: ") + f"{self.key} {self.what}"


@dataclass
class Findings:
    """The result of a check.

    Attributes:
        samples: The number of samples of the dataset.
        objects: The number of objects that were read.
        bytes: The number of bytes that were read.
        damage: The damaged and missing objects.
        failures: The samples that could not be rendered, by index, and the reasons. Their vacant
            places are no damage.
    """

    samples: int
    objects: int = 0
    bytes: int = 0
    damage: list[Damage] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Findings") -> None:
        """Add the result of the check of another part of the dataset."""
        self.objects += other.objects
        self.bytes += other.bytes
        self.damage += other.damage
        self.failures |= other.failures

    @property
    def shards(self) -> set[int]:
        """The indices of the shards that must be rendered again."""
        return {damage.shard for damage in self.damage if damage.shard is not None}


def verify_objects(folder: ObjectStore, record: DatasetRecord) -> Findings:
    """Check all objects against the newest seal, or against the ledger if there is no seal.

    Few objects are in memory at a time.

    Args:
        folder: The objects of the dataset.
        record: The record of the dataset, which is used if there is no seal.

    Raises:
        DatasetError: The folder cannot be read.
    """
    seal = newest_seal(folder)
    layout = Layout.from_json((seal["record"] if seal else record)["layout"])
    check = _Check(folder, layout, Findings(layout.samples))
    if seal:
        check.read(seal_key(seal["generation"]))
        for key, digest in seal["objects"].items():
            check.read_checked(key, digest)
        shards = [(int(name[:8]), name, digest) for name, digest in seal["ledger"].items()]
    else:
        names = folder.list_names(SEALS)
        seal_name = f"{SEALS}/{max(names)}" if names else seal_key(generation(record))
        check.read_checked(seal_name, "")
        entries = {e.entry.shard: (e.name, e.sha256) for e in read_entries(folder, layout)}
        shards = [(n, *entries.get(n, (f"{n:08d}", ""))) for n in range(layout.shards)]

    def check_shard(shard: tuple[int, str, str]) -> Findings:
        shard_check = _Check(folder, layout, Findings(0))
        shard_check.check_shard(*shard)
        return shard_check.findings

    with ThreadPoolExecutor(_READERS) as pool:
        for findings in pool.map(check_shard, shards):
            check.findings.add(findings)
    return check.findings


@dataclass
class _Check:
    """The check of some objects of a dataset."""

    folder: ObjectStore
    layout: Layout
    findings: Findings

    def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, and count them."""
        data = self.folder.get(key)
        self.findings.objects += data is not None
        self.findings.bytes += len(data or b"")
        return data

    def read_checked(self, key: str, digest: str, shard: int | None = None) -> bytes | None:
        """Return the bytes of an object if they have this sha256, else note the damage."""
        data = self.read(key)
        if data is not None and ledger.sha256(data) == digest:
            return data
        self._note_damage(key, data, shard)
        return None

    def check_shard(self, shard: int, name: str, digest: str) -> None:
        """Check the entry of a shard and the objects that it lists."""
        document = ledger.parse_signed(self.read_checked(f"{ledger.LEDGER}/{name}", digest, shard))
        if document is None:
            return
        entry = LedgerEntry.from_json(document)
        self.findings.failures |= entry.failures
        for key, stored in entry.objects.items():
            data = self.read(key)
            if not any(ledger.sha256(d) == stored["sha256"] for d in self._versions(key, data)):
                self._note_damage(key, data, shard)

    def _versions(self, key: str, data: bytes | None) -> Iterator[bytes]:
        """Yield an object as it is, and as it was before a growth that is not sealed yet."""
        if data is None:
            return
        yield data
        room, name = self.layout.samples_per_shard, key.split("/")[0]
        if count := self.layout.samples % room:
            try:
                yield join_parts([Part(data, room, count)], self.layout.bricks_of(name), room)
            except ValueError:
                return

    def _note_damage(self, key: str, data: bytes | None, shard: int | None) -> None:
        what = "missing" if data is None else "damaged"
        self.findings.damage.append(Damage(key, what, shard))
