"""Reads all of a dataset and names what is damaged or missing."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from factory.storage.dataset import ledger
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.ledger_entries import failures_in, read_entries
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import generation
from factory.storage.dataset.seal import SEALS, newest_seal, seal_key
from factory.storage.dataset.shard_codec import Part, join_parts

_READERS = 8  # shards read at a time: a bucket answers many at once


@dataclass(frozen=True)
class Damage:
    """An object that is not as it was written. shard: whose it is, if it is a shard's."""

    key: str
    what: str  # "missing" or "damaged"
    shard: int | None = None

    def __str__(self) -> str:
        return ("" if self.shard is None else f"shard {self.shard}: ") + f"{self.key} {self.what}"


@dataclass
class Findings:
    """What a check found. samples: of the dataset. objects, bytes: what was read. failures: samples
    that could not be rendered, and why; their places are no damage.
    """

    samples: int
    objects: int = 0
    bytes: int = 0
    damage: list[Damage] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Findings") -> None:
        self.objects += other.objects
        self.bytes += other.bytes
        self.damage += other.damage
        self.failures |= other.failures

    @property
    def shards(self) -> set[int]:
        """The shards that are to be rendered again."""
        return {found.shard for found in self.damage if found.shard is not None}


def verify(folder: ObjectStore, record: Mapping[str, Any]) -> Findings:
    """Whatever is not as the newest seal says, or, where there is none, as the ledger does.

    record: the dataset's, where there is no seal. A few objects are in memory at a time. Raises
    DatasetError where the folder cannot be read.
    """
    seal = newest_seal(folder)
    layout = Layout.from_json((seal["record"] if seal else record)["layout"])
    check = _Check(folder, layout, Findings(layout.samples))
    if seal:
        check.get(seal_key(seal["generation"]))
        for key, digest in seal["objects"].items():
            check.read(key, digest)
        shards = [(int(name[:8]), name, digest) for name, digest in seal["ledger"].items()]
    else:
        names = folder.list_names(SEALS)
        check.read(f"{SEALS}/{max(names)}" if names else seal_key(generation(record)), "")
        standing = {e["shard"]: (name, e["sha256"]) for name, e in read_entries(folder, layout)}
        shards = [(n, *standing.get(n, (f"{n:08d}", ""))) for n in range(layout.shards)]

    def check_shard(shard: tuple[int, str, str]) -> Findings:
        own = _Check(folder, layout, Findings(0))
        own.shard(*shard)
        return own.findings

    with ThreadPoolExecutor(_READERS) as pool:
        for found in pool.map(check_shard, shards):
            check.findings.add(found)
    return check.findings


@dataclass
class _Check:
    folder: ObjectStore
    layout: Layout
    findings: Findings

    def read(self, key: str, digest: str, shard: int | None = None) -> bytes | None:
        """An object's bytes if they have this sha256, else None, and the damage is noted."""
        data = self.get(key)
        if data is not None and ledger.sha256(data) == digest:
            return data
        self._note(key, data, shard)
        return None

    def shard(self, shard: int, name: str, digest: str) -> None:
        """Check a shard's entry and the objects it names."""
        entry = ledger.parse_signed(self.read(f"{ledger.LEDGER}/{name}", digest, shard))
        if entry:
            self.findings.failures |= failures_in(entry)
        for key, written in (entry or {"objects": {}})["objects"].items():
            data = self.get(key)
            if not any(ledger.sha256(d) == written["sha256"] for d in self._versions(key, data)):
                self._note(key, data, shard)

    def _versions(self, key: str, data: bytes | None) -> Iterator[bytes]:
        """An object as it is, and as it was before a growth that is not sealed yet."""
        if data is None:
            return
        yield data
        room, name = self.layout.samples_per_shard, key.split("/")[0]
        if before := self.layout.samples % room:
            try:
                yield join_parts([Part(data, room, before)], self.layout.bricks_of(name), room)
            except ValueError:
                return

    def get(self, key: str) -> bytes | None:
        """An object's bytes, counted."""
        data = self.folder.get(key)
        self.findings.objects += data is not None
        self.findings.bytes += len(data or b"")
        return data

    def _note(self, key: str, data: bytes | None, shard: int | None) -> None:
        what = "missing" if data is None else "damaged"
        self.findings.damage.append(Damage(key, what, shard))
