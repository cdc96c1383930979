"""A dataset grows without changing its existing objects or disturbing its readers."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from support.stored_datasets import RECORD, files, layout, sample, write

from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import create_dataset, dataset_digest, grow_dataset, open_dataset
from factory.storage.dataset.verify import verify_objects
from factory.storage.errors import DatasetError

GROWN = {"recipe_digest": "b" * 64, "grown_from": [{"recipe_digest": "a" * 64, "samples": 3}]}


def begin(path: Path, samples: int = 6) -> Dataset:
    return grow_dataset(str(path), layout(samples, 2), GROWN, "seed: 4\n")


def write_new(dataset: Dataset) -> None:
    dataset.write_shard(1, 3, [sample(3)])
    dataset.write_shard(2, 4, [sample(4), sample(5)])


def test_a_grown_dataset_equals_one_that_is_made_at_once(tmp_path):
    write(tmp_path / "d", layout(3, 2))
    write(tmp_path / "whole", layout(6, 2))
    before = files(tmp_path / "d")
    dataset = begin(tmp_path / "d")
    write_new(dataset)
    dataset.seal()
    after, complete = files(tmp_path / "d"), files(tmp_path / "whole")
    assert dataset_digest(str(tmp_path / "d")) == dataset_digest(str(tmp_path / "whole"))
    voxels = {key for key in complete if "/c/" in key or key.startswith("ledger/")}
    assert {key: after[key] for key in voxels} == {key: complete[key] for key in voxels}
    assert after["image/c/0/0/0/0"] == before["image/c/0/0/0/0"]
    assert sorted(key for key in after if key.startswith("seal/")) == ["seal/0002.json"]
    assert len([key for key in after if key.startswith("ledger/")]) == 3
    assert "growth.json" not in after
    again = open_dataset(str(tmp_path / "d"))
    assert again.is_complete()
    assert again.layout.samples == 6
    assert list(again.cases()["subject"]) == [f"s{i}" for i in range(6)]
    assert verify_objects(again.folder, again.record).damage == []


def test_readers_see_the_old_dataset_until_the_growth_is_sealed(tmp_path):
    small_dataset = write(tmp_path / "d", layout(3, 2))
    before = small_dataset.digest()
    dataset = begin(tmp_path / "d")
    write_new(dataset)
    reopened = open_dataset(str(tmp_path / "d"))
    assert reopened.is_complete()
    assert reopened.layout.samples == 3
    assert reopened.digest() == before
    assert len(reopened.cases()) == 3
    assert verify_objects(reopened.folder, reopened.record).damage == []
    assert not dataset.is_complete()
    assert reopened.growth_target() == 6
    dataset.seal()
    assert reopened.growth_target() is None


def test_readers_of_the_old_seal_are_not_disturbed(tmp_path):
    """One reads without pause while the dataset grows twice; its short shard is written over."""
    write(tmp_path / "d", layout(3, 2))
    small_dataset = open_dataset(str(tmp_path / "d"))
    group = zarr.open_group(tmp_path / "d", mode="r")
    expected = [small_dataset.sample(i) for i in range(3)]
    values, before = group["image"][2], small_dataset.digest()
    over, wrong = threading.Event(), []

    def read_digests() -> None:
        while not over.is_set():
            try:
                np.testing.assert_array_equal(group["image"][2], values)
                for i, was in enumerate(expected):
                    now = small_dataset.sample(i)
                    np.testing.assert_array_equal(now.arrays["image"], was.arrays["image"])
                    np.testing.assert_array_equal(now.arrays["label"], was.arrays["label"])
                    assert now.columns == was.columns
                np.testing.assert_array_equal(group["affine"][:], [s.affine for s in expected])
            except BaseException as error:
                wrong.append(error)
                return

    reader = threading.Thread(target=read_digests)
    reader.start()
    try:
        dataset = begin(tmp_path / "d", 5)
        dataset.write_shard(1, 3, [sample(3)])
        dataset.write_shard(2, 4, [sample(4)])
        dataset.seal()
        record = {"recipe_digest": "c" * 64, "grown_from": [*GROWN["grown_from"], {"samples": 5}]}
        dataset = grow_dataset(str(tmp_path / "d"), layout(6, 2), record, "")
        dataset.write_shard(2, 5, [sample(5)])
        dataset.seal()
    finally:
        over.set()
        reader.join()
    assert wrong == []
    assert small_dataset.is_complete()
    assert small_dataset.digest() == before
    assert len(small_dataset.cases()) == 3
    assert open_dataset(str(tmp_path / "d")).layout.samples == 6
    assert [file.name for file in (tmp_path / "d/seal").iterdir()] == ["0003.json"]


def test_a_stopped_growth_is_continued(tmp_path):
    write(tmp_path / "d", layout(3, 2))
    write(tmp_path / "whole", layout(6, 2))
    begin(tmp_path / "d").write_shard(1, 3, [sample(3)])
    dataset = begin(tmp_path / "d")
    write_new(dataset)  # the short shard once more: same bytes
    with pytest.raises(DatasetError, match="is being grown by another recipe"):
        grow_dataset(str(tmp_path / "d"), layout(6, 2), GROWN | {"recipe_digest": "c"}, "")
    dataset.seal()
    assert dataset.digest() == dataset_digest(str(tmp_path / "whole"))


@pytest.mark.parametrize("last", ["zarr.json", "record.json", "seal/0002.json"])
def test_sealing_that_was_killed_is_completed_by_the_same_command(tmp_path, monkeypatch, last):
    write(tmp_path / "d", layout(3, 2))
    dataset = begin(tmp_path / "d")
    write_new(dataset)

    complete = type(dataset.folder).put

    def put(self, key, data):
        complete(self, key, data)
        if key == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(dataset.folder), "put", put)
        with pytest.raises(KeyboardInterrupt):
            dataset.seal()
    again = begin(tmp_path / "d") if last != "seal/0002.json" else open_dataset(dataset.path)
    again.seal()
    assert again.is_complete()
    reopened = open_dataset(str(tmp_path / "d"))
    assert reopened.layout.samples == 6
    assert not (tmp_path / "d/growth.json").exists()


def test_the_entries_of_an_abandoned_growth_are_removed(tmp_path):
    write(tmp_path / "d", layout(3, 2))
    other = grow_dataset(str(tmp_path / "d"), layout(6, 2), GROWN | {"recipe_digest": "c"}, "")
    other.write_shard(1, 3, [replace(sample(9), case=sample(9).case)])
    (tmp_path / "d/growth.json").unlink()
    dataset = begin(tmp_path / "d")
    assert len(list((tmp_path / "d/ledger").glob("*.json"))) == 2
    write_new(dataset)
    dataset.seal()
    assert list(dataset.cases()["subject"]) == [f"s{i}" for i in range(6)]


def test_a_growth_may_change_only_the_number_of_samples(tmp_path):
    path = tmp_path / "d"
    write(path, layout(3, 2))
    with pytest.raises(DatasetError, match="samples_per_shard would change"):
        grow_dataset(str(path), layout(6, 3), GROWN, "")
    with pytest.raises(DatasetError, match="device cpu, here H200"):
        grow_dataset(str(path), layout(6, 2), GROWN, "", device="H200")
    (path / "image/c/1/0/0/0").write_bytes(b"")
    with pytest.raises(DatasetError, match="image/c/1/0/0/0 is damaged; factory repair"):
        begin(path).write_shard(1, 3, [sample(3)])
    create_dataset(str(tmp_path / "begun"), layout(3, 2), RECORD, "")
    with pytest.raises(DatasetError, match="not complete"):
        begin(tmp_path / "begun")
