"""Images of several channels in a dataset: written, read, verified and grown."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stored_datasets import PlainCase, windows

from factory.datasets.open import open_samples
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset, grow_dataset, open_dataset
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.dataset.verify import Damage, verify_objects
from factory.storage.errors import SampleError
from factory.storage.subjects.types import FETA, Grid

RECORD = {"recipe_digest": "a" * 64}
GROWN = {"recipe_digest": "b" * 64, "grown_from": [{"recipe_digest": "a" * 64, "samples": 1}]}
STEP = 1.2 / 65535
NAMES = ("t1w", "t2w", "flair")


def layout(shape: tuple[int, int, int], channels: int, samples: int, room: int) -> Layout:
    ranges = dict.fromkeys(("image", "original", "stack_0"), (0.0, 1.2))
    names = {"image": NAMES[:channels], "stack_0": NAMES[:channels], "original": ("t2w", "t1w")}
    return Layout(samples, shape, FETA, ranges, room, {"stack_0": (3, *shape[1:])}, names)


def sample(of: Layout, index: int) -> StoredSample:
    rng = np.random.Generator(np.random.Philox(index))
    arrays = {name: rng.random(of.array_shape_of(name)) * 1.2 for name in ("image", "original")}
    grid = Grid.centred(of.shape, (1.0, 1.0, 1.0))
    slices = (len(of.channels["stack_0"]), 1 + index % 3, *of.shape[1:])
    return StoredSample(
        case=PlainCase(f"case-{index}").to_json(),
        arrays={**arrays, "label": rng.integers(0, 8, of.shape).astype(np.uint8)},
        affine=grid.affine,
        spacing_mm=grid.spacing,
        stacks=(StoredStack(rng.random(slices), grid.affine, grid.spacing),),
    )


def write(path: Path, of: Layout) -> Dataset:
    dataset = create_dataset(str(path), of, RECORD, "")
    for shard in range(of.shards):
        first = shard * of.samples_per_shard
        last = min(first + of.samples_per_shard, of.samples)
        dataset.write_shard(shard, first, [sample(of, i) for i in range(first, last)])
    dataset.seal()
    return dataset


def assert_equal(stored: StoredSample, expected: StoredSample) -> None:
    for name in ("image", "original"):
        np.testing.assert_allclose(stored.arrays[name], expected.arrays[name], atol=STEP)
    np.testing.assert_array_equal(stored.arrays["label"], expected.arrays["label"])
    np.testing.assert_allclose(stored.stacks[0].image, expected.stacks[0].image, atol=STEP)


@settings(max_examples=12, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 2, st.integers(1, 80)),
    channels=st.integers(1, 3),
    samples=st.integers(1, 3),
    room=st.integers(1, 2),
)
def test_channels_are_read_back_as_they_were_written(shape, channels, samples, room):
    of = layout(shape, channels, samples, room)
    assert Layout.from_json(of.to_json()) == of
    with TemporaryDirectory() as folder:
        dataset = write(Path(folder) / "d", of)
        assert not verify_objects(dataset.folder, dataset.record).damage
        reader = windows(dataset.path)
        for index in range(samples):
            expected = sample(of, index)
            assert_equal(dataset.sample(index), expected)
            assert_equal(reader.sample(index), expected)
        inside = tuple(slice(n // 3, n // 3 + 1 + n // 2) for n in shape)
        for threads in (0, 1):  # zarr, then tensorstore
            reader = replace(windows(dataset.path), threads=threads)
            patch = reader.read("image", samples - 1, inside)
            both = reader.read("original", samples - 1, (slice(1, 2), *inside))
            np.testing.assert_allclose(patch, expected.arrays["image"][:, *inside], atol=STEP)
            np.testing.assert_allclose(both, expected.arrays["original"][1:, *inside], atol=STEP)
        stored = sum(zarr.open_group(dataset.path)[name].nbytes for name in of.arrays)
        assert stored == samples * of.raw_bytes_per_sample


def test_any_reader_finds_the_channels_by_name(tmp_path):
    of = layout((20, 24, 22), 2, 2, 2)
    dataset = write(tmp_path / "d", of)
    group = zarr.open_group(dataset.path, mode="r")
    assert group["image"].metadata.dimension_names == ("sample", "channel", "z", "y", "x")
    assert group["image"].attrs["channels"] == ["t1w", "t2w"]
    assert group["image"].chunks == (1, 1, 20, 24, 22)  # one channel is read alone
    assert group["original"].metadata.dimension_names[1] == "original_channel"  # in other order
    with xarray.open_zarr(dataset.path) as scene:
        assert scene["image"].sizes["channel"] == 2
    opened = open_samples(dataset.path)
    assert opened.channels["original"] == ("t2w", "t1w")
    second = opened.to_xarray()["image"].sel(channel="t2w")[1]
    np.testing.assert_allclose(second, sample(of, 1).arrays["image"][1], atol=STEP)
    np.testing.assert_allclose(
        opened.to_dask("original")[0, 0], sample(of, 0).arrays["original"][0], atol=STEP
    )


def test_a_dataset_with_channels_grows_and_damage_is_located(tmp_path):
    few, more = (layout((20, 24, 22), 2, n, 2) for n in (1, 3))
    write(tmp_path / "d", few)
    growing = grow_dataset(str(tmp_path / "d"), more, GROWN, "")
    growing.write_shard(0, 1, [sample(more, 1)])
    growing.write_shard(1, 2, [sample(more, 2)])
    growing.seal()
    dataset = open_dataset(str(tmp_path / "d"))
    for index in range(3):
        assert_equal(dataset.sample(index), sample(more, index))
    (tmp_path / "d/image/c/1/0/0/0/0").unlink()
    damage = verify_objects(dataset.folder, dataset.record).damage
    assert damage == [Damage("image/c/1/0/0/0/0", "missing", 1)]


@pytest.mark.parametrize("change", [lambda a: a[0], lambda a: a[:1], lambda a: a[:, :5]])
def test_a_sample_of_other_channels_is_refused(tmp_path, change):
    of = layout((20, 24, 22), 2, 1, 1)
    good = sample(of, 0)
    bad = replace(good, arrays={**good.arrays, "image": change(good.arrays["image"])})
    dataset = create_dataset(str(tmp_path / "d"), of, RECORD, "")
    with pytest.raises(SampleError, match=r"image has shape .*, the dataset \(2, 20, 24, 22\)"):
        dataset.write_shard(0, 0, [bad])
