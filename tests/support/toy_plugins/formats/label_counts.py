"""A toy format: a text file a sample, of how many voxels each label has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.export.format import Format


class LabelCounts(Format):
    def files(self, index: int) -> list[str]:
        return [f"sample-{index}.txt"]

    def write(self, index: int, sample: StoredSample, folder: Path) -> None:
        counts = np.bincount(sample.arrays["label"].ravel())
        (folder / self.files(index)[0]).write_text(" ".join(map(str, counts)))

    def documents(self, rows: Sequence[dict[str, Any]]) -> Mapping[str, bytes]:
        return {"index.txt": str(len(rows)).encode()}

    def use(self, place: str) -> str:
        return f"cat {place}/*.txt"


FORMAT = LabelCounts
