"""Stacks in a dataset: each has a grid and a size of its own."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset, open_dataset
from factory.storage.dataset.stored_sample import StoredSample, StoredStack
from factory.storage.errors import SampleError
from factory.storage.subjects.types import FETA, Grid

SHAPE = (20, 24, 22)
MOST = (9, 24, 22)
RECORD = {"recipe_digest": "a" * 64}


def layout(labels: bool = True) -> Layout:
    ranges = {"image": (0.0, 1.2), "stack_0": (0.0, 1.2), "stack_1": (0.0, 1.2)}
    images = {"stack_0": MOST, "stack_1": (8, 20, 24)}
    of_labels = {f"{name}_label": shape for name, shape in images.items()} if labels else {}
    return Layout(2, SHAPE, FETA, ranges, 2, images | of_labels)


def stack(index: int, shape: tuple[int, int, int]) -> StoredStack:
    rng = np.random.Generator(np.random.Philox(index))
    affine = np.diag([1.0, 1.0, 3.0 + index, 1.0])
    affine[:3, 3] = rng.normal(size=3)
    return StoredStack(
        image=(0.01 + rng.random(shape)).astype(np.float32),
        affine=affine,
        spacing_mm=(3.0 + index, 1.0, 1.0),
        label=rng.integers(1, 8, shape).astype(np.uint8),
    )


def sample(index: int) -> StoredSample:
    grid = Grid.centred(SHAPE, (1.0, 1.0, 1.0))
    return StoredSample(
        case=json.dumps({"id": f"case-{index}"}, separators=(",", ":")),
        arrays={"image": np.full(SHAPE, 0.5, np.float32), "label": np.ones(SHAPE, np.uint8)},
        affine=grid.affine,
        spacing_mm=grid.spacing,
        columns={"subject": f"s{index}"},
        # the second sample's slices are thicker, so it has fewer of them
        stacks=(stack(index, (9 - 2 * index, 24, 22)), stack(7 + index, (8, 20, 24 - index))),
    )


def write(path: Path, of: Layout) -> Dataset:
    dataset = create_dataset(str(path), of, RECORD, "")
    dataset.write_shard(0, 0, [sample(0), sample(1)])
    dataset.seal()
    return dataset


def test_stacks_are_read_back_with_their_size_and_position(tmp_path):
    write(tmp_path / "d", layout())
    dataset = open_dataset(str(tmp_path / "d"))
    for i in range(2):
        wrote, stored = sample(i), dataset.sample(i)
        assert set(stored.arrays) == {"image", "label"}
        for a, b in zip(wrote.stacks, stored.stacks, strict=True):
            assert b.image.shape == a.image.shape
            assert np.abs(b.image - a.image).max() <= 1.2 / 65535
            np.testing.assert_array_equal(a.label, b.label)
            np.testing.assert_array_equal(a.affine, b.affine)
            assert list(a.spacing_mm) == list(b.spacing_mm)
    assert [stored.columns[f"stack_0_{axis}"] for axis in ("slices", "rows", "columns")] == [
        7,
        24,
        22,
    ]
    assert list(dataset.cases()["stack_0_slices"]) == [9, 7]
    assert list(dataset.cases()["stack_1_columns"]) == [24, 23]


def test_stacks_are_padded_with_zeros_which_other_libraries_read(tmp_path):
    write(tmp_path / "d", layout())
    group = zarr.open(tmp_path / "d", mode="r")
    assert group["stack_0"].shape == (2, *MOST)
    assert group["stack_0"].dtype == np.uint16
    assert group["stack_0_label"].dtype == np.uint8
    assert group["stack_0"][1, :7].min() > 0
    assert not group["stack_0"][1, 7:].any()
    assert not group["stack_0_label"][1, 7:].any()
    for i in range(2):
        np.testing.assert_array_equal(group["stack_1_affine"][i], sample(i).stacks[1].affine)
        np.testing.assert_array_equal(group["stack_0_spacing_mm"][i], (3 + i, 1, 1))
    scene = xarray.open_zarr(tmp_path / "d")
    np.testing.assert_allclose(scene["stack_1"][0], sample(0).stacks[1].image, atol=1.2 / 65535)
    assert scene["stack_1_label"].attrs["flag_meanings"].split()[4] == "ventricles"


def test_stacks_without_labels(tmp_path):
    dataset = write(tmp_path / "d", layout(labels=False))
    assert dataset.layout.arrays == ("image", "label", "stack_0", "stack_1")
    assert dataset.sample(1).stacks[0].label is None


def test_the_digest_covers_stacks_and_the_seal_their_affines(tmp_path):
    dataset = write(tmp_path / "d", layout())
    group = zarr.open(tmp_path / "d", mode="r")
    total = hashlib.sha256()
    for i in range(2):
        for name in ("image", "label", "stack_0", "stack_0_label", "stack_1", "stack_1_label"):
            values = group[name][i]
            size = ",".join(map(str, values.shape))
            total.update(f"{name} {values.dtype.str} {size}\n".encode() + values.tobytes())
        total.update(b'{"id":"case-%d"}\n' % i)
    assert dataset.digest() == total.hexdigest()
    file = tmp_path / "d/stack_1_affine/c/0/0/0"
    file.write_bytes(bytes(len(file.read_bytes())))
    assert not open_dataset(str(tmp_path / "d")).is_complete()
    dataset.seal()
    assert open_dataset(str(tmp_path / "d")).is_complete()


def test_the_raw_size_counts_all_stored_arrays(tmp_path):
    dataset = write(tmp_path / "d", layout())
    group = zarr.open(tmp_path / "d", mode="r")
    raw = sum(group[name].nbytes for name in dataset.layout.arrays)
    assert raw == 2 * dataset.layout.raw_bytes_per_sample
    assert set(dataset.stored_bytes()) == set(dataset.layout.arrays)


def test_overwriting_removes_the_stacks(tmp_path):
    write(tmp_path / "d", layout())
    plain = Layout(2, SHAPE, FETA, samples_per_shard=2)
    create_dataset(str(tmp_path / "d"), plain, {"recipe_digest": "b"}, "", overwrite=True)
    assert not [f.name for f in (tmp_path / "d").iterdir() if f.name.startswith("stack")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((10, 24, 22), np.float32)}, r"stack_0 has shape \(10, 24, 22\), the"),
        ({"image": np.full(MOST, np.inf, np.float32)}, "stack_0 holds NaN or infinity"),
        ({"label": np.full(MOST, 8, np.uint8)}, "stack_0_label 8 is not in the label table"),
        ({"label": None}, "it has no 'stack_0_label'"),
    ],
)
def test_stacks_that_do_not_fit_are_refused(tmp_path, change, message):
    dataset = create_dataset(
        str(tmp_path / "d"), replace(layout(), samples=1, samples_per_shard=1), RECORD, ""
    )
    first, second = sample(0).stacks
    bad = replace(sample(0), stacks=(replace(first, **change), second))
    with pytest.raises(SampleError, match=f"case case-0: {message}"):
        dataset.write_shard(0, 0, [bad])


def test_a_layout_is_read_back_with_and_without_stacks():
    of = layout()
    assert Layout.from_json(json.loads(json.dumps(of.to_json()))) == of
    assert "shapes" not in Layout(2, SHAPE, FETA).to_json()
