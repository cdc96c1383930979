"""A small stored dataset that tests write and damage."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.reader import read_contents
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.dataset.window_reader import WindowReader
from factory.storage.subjects.types import FETA, Grid

RECORD = {"recipe_digest": "a" * 64, "overrides": {"seed": 3}}
SHAPE = (40, 52, 36)
WINDOW = (slice(3, 29), slice(0, 52), slice(30, 36))


@dataclass(frozen=True)
class PlainCase:
    name: str

    def to_json(self) -> str:
        return json.dumps({"id": self.name}, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class PlainShard:
    index: int
    cases: tuple[PlainCase, ...]


def layout(samples: int = 3, per_shard: int = 1, extras: tuple[str, ...] = ()) -> Layout:
    ranges = {"image": (0.0, 1.2), **dict.fromkeys(extras, (0.0, 0.5))}
    return Layout(samples, SHAPE, FETA, ranges, per_shard)


def sample(index: int, extras: tuple[str, ...] = ()) -> StoredSample:
    rng = np.random.Generator(np.random.Philox(index))
    label = np.zeros(SHAPE, np.uint8)
    label[8:30, 10:40, 8:30] = rng.integers(1, 8, (22, 30, 22))
    image = (rng.random(SHAPE) * 1.3).astype(np.float32)
    grid = Grid.centred(SHAPE, (1.0, 1.0, 1.0 + index))
    return StoredSample(
        case=PlainCase(f"case-{index}").to_json(),
        arrays={"image": image, "label": label, **dict.fromkeys(extras, image * 0.3)},
        affine=grid.affine,
        spacing_mm=grid.spacing,
        columns={"subject": f"s{index}", "grade": index % 5, "atrial_width_mm": np.float64(7.5)},
    )


def shards(of: Layout) -> list[PlainShard]:
    size = of.samples_per_shard
    names = [f"case-{i}" for i in range(of.samples)]
    return [
        PlainShard(i, tuple(map(PlainCase, names[i * size : (i + 1) * size])))
        for i in range(of.shards)
    ]


def write(path: Path, of: Layout, extras: tuple[str, ...] = (), order: int = 1, **how: bool):
    dataset = create_dataset(str(path), of, RECORD, "seed: 3\n", **how)
    for index in range(of.shards)[::order]:
        start = index * of.samples_per_shard
        stop = min(start + of.samples_per_shard, of.samples)
        dataset.write_shard(index, start, [sample(i, extras) for i in range(start, stop)])
    dataset.seal()
    return dataset


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def windows(url: str, cache: Path | None = None) -> WindowReader:
    contents = read_contents(url)
    return WindowReader(
        contents.path, contents.layout, contents.seal, None if cache is None else str(cache)
    )


def assert_reads(from_: WindowReader, index: int) -> None:
    expected = sample(index)
    label = from_.read("label", index, WINDOW)
    np.testing.assert_array_equal(label, expected.arrays["label"][WINDOW])
    image = from_.read("image", index, WINDOW)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected.arrays["image"][WINDOW].clip(0, 1.2), atol=1e-5)
