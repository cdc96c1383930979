"""What a seal adds up from the ledger, read once, entry by entry."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from factory.storage.dataset.cases_table import parquet_bytes, table_row
from factory.storage.dataset.layout import ROWS, Layout, encode_rows


@dataclass
class SealContents:
    """objects: affines, spacings and cases.parquet, by key. entries: sha256 of each ledger entry
    by its name. samples: how many were found."""

    objects: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    samples: int = 0


def collect_seal_contents(
    layout: Layout, found: Iterable[tuple[str, Mapping[str, Any]]]
) -> SealContents:
    """found: names and entries in order of shard, as factory.storage.dataset.ledger_entries gives
    them.
    """
    gathered = SealContents()
    waiting: list[Mapping[str, Any]] = []

    def encode_waiting() -> None:
        """The chunk of every small array that the samples waiting fill."""
        chunk = (gathered.samples - 1) // ROWS
        for name in layout.grids if waiting else ():
            values = np.array([sample[name] for sample in waiting])
            for key, data in encode_rows(layout, name, values).items():
                gathered.objects[f"{name}/{key.replace('c/0', f'c/{chunk}', 1)}"] = data
        waiting.clear()

    def rows() -> Iterator[dict[str, Any]]:
        for name, entry in found:
            gathered.entries[name] = entry["sha256"]
            for offset, sample in enumerate(entry["samples"]):
                waiting.append(sample)
                gathered.samples += 1
                if len(waiting) == ROWS:
                    encode_waiting()
                yield table_row(entry["start"] + offset, sample)
        encode_waiting()

    gathered.objects["cases.parquet"] = parquet_bytes(rows())
    return gathered
