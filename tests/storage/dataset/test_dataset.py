"""Datasets are written, sealed, damaged and repaired, and read by other libraries."""

import hashlib
import warnings
from dataclasses import replace

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray
import zarr
from support.stored_datasets import RECORD, SHAPE, PlainCase, files, layout, sample, shards, write

from factory.storage.dataset import ledger
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import create_dataset, dataset_digest, open_dataset
from factory.storage.errors import DatasetError
from factory.storage.subjects.types import FETA


def test_written_samples_are_read_back(tmp_path):
    dataset = write(tmp_path / "d.zarr", layout(3, 2, ("uncertainty",)), ("uncertainty",))
    step = 1.2 / 65535
    for i in range(3):
        wrote, read = sample(i, ("uncertainty",)), dataset.sample(i)
        np.testing.assert_array_equal(read.arrays["label"], wrote.arrays["label"])
        clipped = np.clip(wrote.arrays["image"], 0, 1.2)
        assert np.abs(read.arrays["image"] - clipped).max() <= step
        assert np.abs(read.arrays["uncertainty"] - wrote.arrays["uncertainty"]).max() <= step
        np.testing.assert_array_equal(read.affine, wrote.affine)
        assert read.case == wrote.case
        outside = np.mean(wrote.arrays["image"] > 1.2)
        assert read.columns["clipped_fraction"] == pytest.approx(outside)
        assert read.columns["clipped_fraction_uncertainty"] == 0


def test_other_libraries_read_it(tmp_path):
    path = tmp_path / "d.zarr"
    write(path, layout(3, 2))
    expected = np.clip(sample(2).arrays["image"], 0, 1.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the files beside the arrays disturb nobody
        group = zarr.open(path, mode="r")
        assert group["image"].dtype == np.uint16
        assert group["image"].metadata.dimension_names == ("sample", "z", "y", "x")
        raw = dask.array.from_zarr(str(path), component="image")
        assert raw.shape == (3, *SHAPE)
        np.testing.assert_array_equal(raw[2].compute(), group["image"][2])
        scene = xarray.open_zarr(path)
    image = scene["image"].sel(sample=2)
    assert image.dtype.kind == "f"
    np.testing.assert_allclose(image.values, expected, atol=1.2 / 65535)
    assert scene["label"].dtype == np.uint8
    assert scene["label"].attrs["flag_meanings"].split()[4] == "ventricles"
    assert scene.attrs["label_table"][4]["colour"] == list(FETA.colours[4])
    np.testing.assert_array_equal(scene["affine"].sel(sample=2), sample(2).affine)
    np.testing.assert_array_equal(scene["spacing_mm"].sel(sample=2), (1, 1, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # listing the folder, zarr says what it passes over
        listed = xarray.open_zarr(path, consolidated=False)
    xarray.testing.assert_identical(listed, scene)


def test_the_cases_table_has_one_row_for_each_sample_in_order(tmp_path):
    write(tmp_path / "d.zarr", layout(4, 2), order=-1)
    table = pd.read_parquet(tmp_path / "d.zarr" / "cases.parquet")
    assert list(table["sample"]) == [0, 1, 2, 3]
    assert list(table["subject"]) == ["s0", "s1", "s2", "s3"]
    assert list(table["grade"]) == [0, 1, 2, 3]
    assert set(table["atrial_width_mm"]) == {7.5}


def test_shards_written_in_any_order_or_twice_have_the_same_bytes(tmp_path):
    write(tmp_path / "a", layout(4, 2))
    dataset = write(tmp_path / "b", layout(4, 2), order=-1)
    before = files(tmp_path / "b")
    dataset.write_shard(1, 2, [sample(2), sample(3)])
    assert files(tmp_path / "b") == before == files(tmp_path / "a")


def test_the_digest_follows_its_definition_and_ignores_the_shard_size(tmp_path):
    write(tmp_path / "one", layout(3, 1))
    write(tmp_path / "two", layout(3, 2))
    group = zarr.open(tmp_path / "one", mode="r")
    total = hashlib.sha256()
    for i in range(3):
        for name, dtype in (("image", "<u2"), ("label", "|u1")):
            total.update(f"{name} {dtype} 40,52,36\n".encode() + group[name][i].tobytes())
        total.update(b'{"id":"case-%d"}\n' % i)
    assert (
        dataset_digest(str(tmp_path / "one"))
        == dataset_digest(str(tmp_path / "two"))
        == total.hexdigest()
    )


def test_a_dataset_is_complete_only_if_sealed_and_unaltered(tmp_path):
    of = layout(3)
    dataset = create_dataset(str(tmp_path / "d"), of, RECORD, "")
    dataset.write_shard(0, 0, [sample(0)])
    assert dataset.finished_shards(shards(of)) == {0}
    with pytest.raises(DatasetError, match="2 of 3 shards are missing"):
        dataset.seal()
    with pytest.raises(DatasetError, match="not complete"):
        dataset.digest()
    assert not dataset.is_complete()
    for i in (1, 2):
        dataset.write_shard(i, i, [sample(i)])
    assert not dataset.is_complete()
    dataset.seal()
    assert dataset.is_complete()
    dataset.seal()
    assert [f.name for f in (tmp_path / "d/seal").iterdir()] == ["0001.json"]


@pytest.mark.parametrize(
    "key", ["zarr.json", "cases.parquet", "recipe.yaml", "affine/c/0/0/0", "seal/0001.json"]
)
def test_a_flipped_byte_makes_a_dataset_incomplete_until_it_is_repaired(tmp_path, key):
    dataset = write(tmp_path / "d", layout(2))
    file = tmp_path / "d" / key
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert not open_dataset(str(tmp_path / "d")).is_complete()
    again = create_dataset(str(tmp_path / "d"), layout(2), RECORD, "seed: 3\n")
    again.seal()
    assert again.is_complete()
    assert again.digest() == dataset.digest()


def test_an_entry_counts_only_for_the_same_cases(tmp_path):
    of = layout(3)
    dataset = write(tmp_path / "d", of)
    assert dataset.finished_shards(shards(of)) == {0, 1, 2}
    other = [replace(s, cases=(PlainCase("another"),)) for s in shards(of)]
    assert dataset.finished_shards(other) == set()
    assert dataset.finished_shards(iter([shards(of)[0], other[1], shards(of)[2]])) == {0, 2}


def test_a_damaged_entry_is_never_sealed_and_its_shard_is_rendered_again(tmp_path):
    of = layout(3)
    dataset = write(tmp_path / "d", of)
    digest = dataset.digest()
    entries = sorted((tmp_path / "d" / "ledger").iterdir())
    entries[0].write_bytes(entries[0].read_bytes()[:-20])
    entries[1].write_bytes(entries[1].read_bytes().replace(b"case-1", b"case-9"))
    entries[2].rename(entries[2].with_name(f"00000002-{'0' * 16}.json"))
    assert not dataset.is_complete()
    with pytest.raises(DatasetError, match="not complete"):
        dataset.digest()
    with pytest.raises(DatasetError, match="3 of 3 shards are missing; the same command renders"):
        dataset.seal()
    assert dataset.finished_shards(shards(of)) == set()
    for i in range(3):
        dataset.write_shard(i, i, [sample(i)])
    dataset.seal()
    assert dataset.is_complete()
    assert dataset.digest() == digest


def test_finished_shards_are_listed_without_reading_an_entry(tmp_path, monkeypatch):
    """No entry is read and no case is made beyond what the ledger names."""
    of = layout(3)
    dataset = create_dataset(str(tmp_path / "d"), of, RECORD, "")
    dataset.write_shard(0, 0, [sample(0)])
    opened = []
    monkeypatch.setattr(ObjectStore, "get", lambda _, key: opened.append(key))
    monkeypatch.setattr(ObjectStore, "get_all", lambda _, keys: opened.extend(keys))
    remaining = iter(shards(of))
    assert dataset.finished_shards(remaining) == {0}
    assert [shard.index for shard in remaining] == [2]  # the second told that the ledger had ended
    assert opened == []


def test_a_missing_shard_has_no_digest(tmp_path):
    dataset = write(tmp_path / "d", layout(2))
    (tmp_path / "d/image/c/1/0/0/0").unlink()
    with pytest.raises(DatasetError, match="image/c/1/0/0/0 is missing"):
        dataset.digest()


@pytest.mark.parametrize(
    ("key", "message"),
    [("image/c/1/0/0/0", "image of sample 1 is"), ("zarr.json", "zarr.json is")],
)
def test_damage_is_named_in_one_line(tmp_path, key, message):
    dataset = write(tmp_path / "d", layout(2))
    file = tmp_path / "d" / key
    file.write_bytes(bytes(len(file.read_bytes())))
    for read in (dataset.digest, lambda: dataset.sample(1)):
        with pytest.raises(DatasetError, match=f"{message} missing or damaged"):
            read()


def test_the_ledger_has_the_checksums_of_the_objects(tmp_path):
    write(tmp_path / "d", layout(2))
    for file in (tmp_path / "d/ledger").iterdir():
        entry = ledger.parse_signed(file.read_bytes())
        assert set(entry["objects"]) == {
            f"{n}/c/{entry['shard']}/0/0/0" for n in ("image", "label")
        }
        for key, written in entry["objects"].items():
            data = (tmp_path / "d" / key).read_bytes()
            assert len(data) == written["bytes"]
            assert hashlib.sha256(data).hexdigest() == written["sha256"]
