"""What a seal collects from the ledger, which is read once, entry by entry."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from factory.storage.dataset.cases_table import parquet_bytes, table_row
from factory.storage.dataset.documents import SampleRecord
from factory.storage.dataset.layout import ROWS, Layout, encode_rows
from factory.storage.dataset.ledger_entries import NamedEntry
from factory.storage.json_value import JsonObject


@dataclass
class SealContents:
    """What the ledger adds up to.

    Attributes:
        objects: The chunks of affines and spacings, and cases.parquet, by key.
        entries: sha256 of each ledger entry, by its name.
        samples: The number of samples.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    samples: int = 0


def collect_seal_contents(layout: Layout, entries: Iterable[NamedEntry]) -> SealContents:
    """Collect what the seal needs from the entries, given in the order of the shards."""
    contents = SealContents()
    pending: list[SampleRecord] = []

    def encode_pending() -> None:
        """Encode the chunk of every small array that the pending samples fill."""
        chunk = (contents.samples - 1) // ROWS
        for name in layout.grids if pending else ():
            values = np.array([sample.grids[name] for sample in pending])
            for key, data in encode_rows(layout, name, values).items():
                contents.objects[f"{name}/{key.replace('c/0', f'c/{chunk}', 1)}"] = data
        pending.clear()

    def rows() -> Iterator[JsonObject]:
        for member in entries:
            contents.entries[member.name] = member.sha256
            for offset, sample in enumerate(member.entry.samples):
                pending.append(sample)
                contents.samples += 1
                if len(pending) == ROWS:
                    encode_pending()
                yield table_row(member.entry.start + offset, sample)
        encode_pending()

    contents.objects["cases.parquet"] = parquet_bytes(rows())
    return contents
