"""The position and content of patches, which depend on seed, epoch and index only."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stored_datasets import RECORD, SHAPE, layout, sample, write

import factory
from factory.storage.dataset.layout import Layout, quantise
from factory.storage.dataset.open import create_dataset
from factory.storage.errors import DatasetError
from factory.storage.subjects.types import FETA, LabelTable
from factory.torch import FlipLeftRight, PatchDataset, union_table
from factory.torch.foreground import VOXELS, draw_label_voxels


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("patches") / "d"
    write(folder, layout(5, 2))
    return str(folder)


def inside(patch: np.ndarray, volume: np.ndarray) -> bool:
    """Return whether a patch is a window of a volume."""
    windows = np.lib.stride_tricks.sliding_window_view(volume, patch.shape)
    first = np.argwhere(windows[..., 0, 0, 0] == patch[0, 0, 0])
    return any(np.array_equal(windows[tuple(corner)], patch) for corner in first)


def test_an_item_is_a_window_of_image_and_label_at_one_place(path):
    patches = PatchDataset(path, (16, 20, 12), seed=3, columns=("grade", "subject"))
    assert len(patches) == 5
    items = list(patches)
    assert sorted(item["sample"] for item in items) == [0, 1, 2, 3, 4]
    for item in items:
        stored = sample(item["sample"])
        assert (item["image"].dtype, item["label"].dtype) == (torch.float32, torch.uint8)
        assert item["image"].shape == item["label"].shape == (1, 16, 20, 12)
        assert item["grade"] == stored.columns["grade"]
        assert item["subject"] == stored.columns["subject"]
        levels = quantise(stored.arrays["image"], 0.0, 1.2)[0].astype(np.int64)
        codes = 8 * levels + stored.arrays["label"]
        item_levels = np.rint(item["image"][0].numpy().astype(float) / 1.2 * 65535).astype(np.int64)
        assert inside(8 * item_levels + item["label"][0].numpy(), codes)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(30, 70)] * 3), st.integers(0, 3))
def test_a_patch_larger_than_the_volume_has_zeros_around_it(path, patch, seed):
    item = PatchDataset(path, patch, seed=seed)[0]
    label = item["label"][0].numpy()
    assert label.shape == patch
    volume = sample(item["sample"]).arrays["label"]
    for axis, (p, n) in enumerate(zip(patch, SHAPE, strict=True)):
        if p > n:  # the volume lies in the middle, and all around it is zero
            before = (p - n + 1) // 2
            middle = np.take(label, range(before, before + n), axis)
            assert middle.astype(bool).sum() == label.astype(bool).sum()
    if all(p >= n for p, n in zip(patch, SHAPE, strict=True)):
        assert np.array_equal(np.sort(label[label > 0]), np.sort(volume[volume > 0]))


def test_an_item_depends_on_seed_epoch_and_index_only(path):
    first = PatchDataset(path, 16, seed=3, length=6)
    again = PatchDataset(path, 16, seed=3, length=6)
    items = [first[k] for k in range(18)]
    for k in (17, 3, 9, 0):  # whatever was asked for before
        assert torch.equal(again[k]["image"], items[k]["image"])
    assert not any(torch.equal(items[0]["image"], item["image"]) for item in items[6:])
    other = PatchDataset(path, 16, seed=4, length=6)
    assert not torch.equal(other[0]["image"], items[0]["image"])


def test_foreground_patches_contain_each_label_equally_often(path):
    patches = PatchDataset(path, 1, seed=2, length=420, foreground=1.0, arrays=["label"])
    values = [int(item["label"]) for item in patches]
    counts = np.bincount(values, minlength=8)
    assert counts[0] == 0
    assert (np.abs(counts[1:] - 60) < 30).all()  # four standard deviations
    named = PatchDataset(path, 8, seed=2, length=9, foreground=1.0, labels=["ventricles"])
    ventricles = factory.open(path).labels["ventricles"]
    assert all((item["label"] == ventricles).any() for item in named)


def test_without_foreground_patches_are_uniformly_distributed(path):
    patches = PatchDataset(path, (1, 52, 36), seed=2, length=1, foreground=0.0)
    rng = np.random.Generator(np.random.Philox(0))
    corners = np.array([patches._draw_corner(0, 0, rng)[0] for _ in range(4000)])
    assert set(corners) == set(range(SHAPE[0]))
    assert np.abs(np.bincount(corners) - 100).max() < 50  # five standard deviations


def test_weights_strata_and_shares(path, tmp_path):
    patches = PatchDataset(path, 4, seed=1, length=20, weights="grade", arrays=["label"])
    counts = np.bincount([item["sample"] for item in patches], minlength=5)
    assert list(counts) == [0, 2, 4, 6, 8]
    write(tmp_path / "d", layout(8))
    datasets = [path, str(tmp_path / "d")]
    how = {"shares": (1, 3), "balance": "grade", "arrays": ["label"]}
    mixed = PatchDataset(datasets, 4, seed=1, length=40, **how)
    which = np.array([item["dataset"] for item in mixed])
    assert list(np.bincount(which)) == [10, 30]
    grades = np.array([item["sample"] % 5 for item in mixed])[which == 1]
    assert list(np.bincount(grades)) == [6] * 5


def test_filtered_datasets_and_transforms(path):
    few = factory.open(path).where("grade >= 3")
    patches = PatchDataset(few, 4, seed=1, transform=lambda item: item["sample"])
    assert sorted(patches) == [3, 4]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"patch": 0}, "patch 0; allowed: one or three"),
        ({"patch": (3, 4)}, "patch (3, 4); allowed"),
        ({"arrays": ("imgae",)}, "no array 'imgae'; image, label; did you mean image?"),
        ({"labels": ["ventricle"]}, "did you mean ventricles?"),
        ({"foreground": 1.5}, "foreground 1.5; allowed"),
        ({"length": 0}, "length 0; allowed"),
        ({"columns": ["grad"]}, "no column 'grad'; did you mean grade?"),
        ({"datasets": []}, "no datasets given"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(path, how, message):
    with pytest.raises(DatasetError) as caught:
        PatchDataset(**{"datasets": path, "patch": 8, "seed": 1} | how)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def write_table(folder: Path, names: Sequence[str]) -> str:
    """Write sample 0 with the labels of other names; a label without a name is background."""
    table = LabelTable(tuple(names), tuple((i % 256, i // 256, 0) for i in range(len(names))))
    other = create_dataset(str(folder), Layout(1, SHAPE, table), RECORD, "seed: 3\n")
    original = sample(0)
    values = [names.index(name) if name in names else 0 for name in FETA.names]
    label = np.array(values, table.dtype)[original.arrays["label"]]
    other.write_shard(0, 0, [replace(original, arrays={**original.arrays, "label": label})])
    other.seal()
    return str(folder)


def test_labels_of_several_datasets_are_matched_by_name(path, tmp_path):
    few = [name for name in FETA.names if name != "grey_matter"]  # later values are less by one
    other = write_table(tmp_path / "d", [*few, "tumour"])
    first = factory.open(path).where("sample == 0")
    how = {"seed": 1, "shares": (1, 1), "arrays": ("label",), "foreground": 0.0}
    patches = PatchDataset([first, other], SHAPE, **how)
    assert patches.labels == {**first.labels, "tumour": 8}
    by_dataset = {item["dataset"]: item["label"][0].numpy() for item in patches}
    label = sample(0).arrays["label"]
    assert np.array_equal(by_dataset[0], label)
    assert np.array_equal(by_dataset[1], np.where(label == FETA.index("grey_matter"), 0, label))
    reversed_order = PatchDataset([other, first], SHAPE, **how)
    assert list(reversed_order.labels) == [*few, "tumour", "grey_matter"]
    named = PatchDataset([first, other], 1, **how | {"foreground": 1.0}, labels=["cerebellum"])
    assert {(i["dataset"], int(i["label"])) for i in named} == {(0, 5), (1, 5)}


def test_a_union_of_many_labels_is_int32_in_every_item(path, tmp_path):
    other = write_table(tmp_path / "d", ["background", *(f"part_{i}" for i in range(250))])
    patches = PatchDataset([path, other], 8, seed=1, length=12, shares=(1, 1))
    assert {item["dataset"] for item in patches} == {0, 1}
    assert {item["label"].dtype for item in patches} == {torch.int32}
    assert len(patches.labels) == 258


def test_equal_tables_need_no_mapping(path, tmp_path):
    write(tmp_path / "d", layout(1))
    patches = PatchDataset([path, str(tmp_path / "d")], 8, seed=1)
    assert patches._lookups == [None, None]
    assert patches.table is patches.windows[0].layout.table


def test_what_does_not_fit_a_union_is_refused_in_one_line(path, tmp_path):
    air = write_table(tmp_path / "air", ["air", "ventricles"])
    with pytest.raises(DatasetError, match=r"air: label 0 is air, and background in the first"):
        PatchDataset([path, air], 8, seed=1)
    other = write_table(tmp_path / "d", ["background", "left_kidney", "right_kidney"])
    one, two = factory.open(path), factory.open(other)
    with pytest.raises(DatasetError, match="FlipLeftRight has the label table of one dataset"):
        PatchDataset([one, two], 8, seed=1, transform=FlipLeftRight(one.table))
    flip = FlipLeftRight(union_table(one.table, two.table), probability=1)
    assert PatchDataset([one, two], 8, seed=1, transform=flip)[0]["label"].shape == (1, 8, 8, 8)
    assert flip.mirrored.tolist() == [*range(8), 9, 8]


def test_other_channels_are_refused(path, tmp_path):
    named = Layout(1, SHAPE, FETA, channels={"image": ("t1w",)})
    other = create_dataset(str(tmp_path / "d"), named, RECORD, "seed: 3\n")
    arrays = {**sample(0).arrays, "image": sample(0).arrays["image"][None]}
    other.write_shard(0, 0, [replace(sample(0), arrays=arrays)])
    other.seal()
    with pytest.raises(DatasetError, match=r"has the channels t1w, that of .* has one "):
        PatchDataset([path, other.path], 8, seed=1)
    assert PatchDataset([path, other.path], 8, seed=1, arrays=("label",))[0]["label"].ndim == 4


@given(st.integers(0, 50), st.integers(0, 3))
def test_drawn_voxels_have_the_label(seed, value):
    rng = np.random.Generator(np.random.Philox(seed))
    label = rng.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    voxels = draw_label_voxels(label, np.array([value, 9]), rng)
    assert voxels.shape == (1, VOXELS, 3)
    assert (label[tuple(np.moveaxis(voxels, -1, 0))] == value).all()
    assert len(draw_label_voxels(label, np.array([9]), rng)) == 0
