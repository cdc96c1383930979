"""A small dataset to export: a further image, a scanned stack, and a rejected sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from factory.datasets.export import ExportReport, export_dataset
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from support.stored_datasets import RECORD, layout, sample

REJECTED = 1
STACK = (5, 12, 10)
TURNED = np.array([[0, 0, 4.0, -9], [1.5, 0, 0, 3], [0, 1.5, 0, 7], [0, 0, 0, 1]])


def with_all(index: int) -> StoredSample:
    """A sample with a further image, a scanned stack, and a column `accepted`."""
    plain = sample(index, ("uncertainty",))
    rng = np.random.Generator(np.random.Philox(100 + index))
    image = rng.random(STACK).astype(np.float32)
    label = rng.integers(0, 8, STACK).astype(np.uint8)
    columns = {**plain.columns, "accepted": index != REJECTED}
    return replace(
        plain, columns=columns, stacks=(StoredStack(image, TURNED, (4, 1.5, 1.5), label),)
    )


def write(path: str, samples: int = 4) -> Dataset:
    of = layout(samples, 2, ("uncertainty",))
    ranges = {**of.ranges, "stack_0": (0.0, 1.0)}
    of = Layout(samples, of.shape, of.table, ranges, 2, {"stack_0": STACK, "stack_0_label": STACK})
    dataset = create_dataset(path, of, RECORD, "seed: 3\n")
    for shard in range(of.shards):
        stop = min(2 * shard + 2, samples)
        dataset.write_shard(shard, 2 * shard, [with_all(i) for i in range(2 * shard, stop)])
    dataset.seal()
    return dataset


def serial(dataset: Dataset, to: str, output: Path, **how) -> ExportReport:
    return export_dataset(dataset.path, to, str(output), workers=1, progress=False, **how)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
