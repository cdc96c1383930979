"""An opened dataset: its table is filtered, its samples are numpy, dask and xarray arrays."""

import builtins
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.stored_datasets import RECORD, SHAPE, layout, sample, write

import factory
from factory.storage.dataset import ledger
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import create_dataset
from factory.storage.errors import DatasetError


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    """Six samples; of grades 0 to 4 and again 0."""
    folder = tmp_path_factory.mktemp("opened") / "d"
    write(folder, layout(6, 2))
    return str(folder)


def test_importing_it_loads_nothing_heavy():
    code = (
        "import factory, sys; print([m for m in ('torch', 'zarr', 'pandas') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_an_opened_dataset_has_a_length_labels_and_a_table(path):
    dataset = factory.open(path)
    assert len(dataset) == 6
    assert dataset.arrays == ("image", "label")
    assert dataset.labels["ventricles"] == dataset.table.names.index("ventricles")
    assert list(dataset.cases["grade"]) == [0, 1, 2, 3, 4, 0]
    assert repr(dataset) == f"<{path}: 6 samples of 40 × 52 × 36 voxels: image, label>"


def test_a_condition_selects_rows_and_their_samples(path):
    few = factory.open(path).where("grade >= 2 and subject != 's3'")
    assert list(few.cases["sample"]) == [2, 4]
    np.testing.assert_array_equal(few[1].arrays["label"], sample(4).arrays["label"])
    assert few[-1].columns["grade"] == 4
    assert len(few.where("grade == 3")) == 0
    with pytest.raises(IndexError):
        few[2]


def test_the_ledger_is_listed_once_for_all_samples(path, monkeypatch):
    dataset, listed, names = factory.open(path), [], ObjectStore.list_names
    monkeypatch.setattr(
        ObjectStore,
        "list_names",
        lambda *arguments: listed.append(arguments[1:]) or names(*arguments),
    )
    assert [dataset[i].columns["grade"] for i in range(6)] == [0, 1, 2, 3, 4, 0]
    assert listed == [(ledger.LEDGER,)]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("grad >= 2", "no column 'grad'; did you mean grade?"),
        ("zzz == 1", "no column 'zzz'; there are sample, atrial_width_mm, grade, subject, "),
        ("grade + 1", "is not true or false"),
        ("grade >=", "invalid syntax"),
        ("subject > 3", ""),
        ("x = grade", "is not true or false"),
        ("@path == 1", ""),
        ("", ""),
    ],
)
def test_a_wrong_condition_is_refused_in_one_line(path, condition, message):
    with pytest.raises(DatasetError) as caught:
        factory.open(path).where(condition)
    assert message in str(caught.value)
    assert repr(condition) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_is_read_as_arrays(path):
    opened = factory.open(path)[1]
    expected = sample(1)
    np.testing.assert_array_equal(opened.arrays["label"], expected.arrays["label"])
    np.testing.assert_allclose(
        opened.arrays["image"], expected.arrays["image"].clip(0, 1.2), atol=1e-5
    )
    np.testing.assert_array_equal(opened.affine, expected.affine)
    assert opened.columns["subject"] == "s1"


def test_volumes_are_read_as_dask_arrays(path):
    few = factory.open(path).where("grade >= 3")
    image, label = few.to_dask("image"), few.to_dask("label")
    assert (image.shape, image.dtype) == ((2, *SHAPE), np.float32)
    assert image.chunks[0] == (1, 1)
    np.testing.assert_array_equal(label[1].compute(), sample(4).arrays["label"])
    np.testing.assert_array_equal(image[0].compute(), few[0].arrays["image"])
    with pytest.raises(DatasetError, match="no array 'lable'; it has image, label; did you mean"):
        few.to_dask("lable")


def test_a_dataset_is_read_as_xarray(path):
    scene = factory.open(path).where("grade >= 3").to_xarray()
    np.testing.assert_array_equal(scene["label"][1], sample(4).arrays["label"])
    assert list(scene["subject"].values) == ["s3", "s4"]
    assert list(scene["sample"].values) == [3, 4]
    selected = scene.isel(sample=scene["grade"].values == 4)
    np.testing.assert_allclose(
        selected["image"][0], sample(4).arrays["image"].clip(0, 1.2), atol=1e-5
    )


@pytest.mark.parametrize(("package", "method"), [("dask", "to_dask"), ("xarray", "to_xarray")])
def test_a_missing_package_is_named(path, monkeypatch, package, method):
    original_import = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return original_import(name, *rest, **more)

    dataset = factory.open(path)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DatasetError, match=rf"pip install '{package}(\[array\])?'"):
        getattr(dataset, method)()


def test_an_unsealed_dataset_is_refused_unless_requested(tmp_path):
    dataset = create_dataset(str(tmp_path / "d"), layout(3), RECORD, "seed: 3\n")
    dataset.write_shard(2, 2, [sample(2)])
    with pytest.raises(DatasetError, match="not finished"):
        factory.open(str(tmp_path / "d"))
    opened = factory.open(str(tmp_path / "d"), unsealed=True)
    assert list(opened.cases["sample"]) == [2]
    np.testing.assert_array_equal(opened[0].arrays["label"], sample(2).arrays["label"])
    with pytest.raises(DatasetError, match="no such dataset"):
        factory.open(str(tmp_path / "e"))


def test_rejected_samples_are_omitted_unless_requested(tmp_path):
    of = layout(4)
    dataset = create_dataset(str(tmp_path / "d"), of, RECORD, "seed: 3\n")
    for index, accepted in enumerate([True, False, None, True]):
        expected = sample(index)
        columns = {**expected.columns, "accepted": accepted}
        dataset.write_shard(index, index, [replace(expected, columns=columns)])
    dataset.seal()
    assert list(factory.open(str(tmp_path / "d")).cases["sample"]) == [0, 2, 3]
    assert len(factory.open(str(tmp_path / "d"), unaccepted=True)) == 4


def test_a_damaged_table_is_refused(tmp_path):
    write(tmp_path / "d", layout(2))
    (tmp_path / "d" / "cases.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"cases\.parquet is missing or damaged"):
        factory.open(str(tmp_path / "d"))


def test_a_seal_of_an_older_program_is_refused(tmp_path):
    write(tmp_path / "d", layout(2))
    (tmp_path / "d" / "seal" / "0001.json").write_bytes(ledger.sign({"generation": 1}))
    with pytest.raises(DatasetError, match="written in format None, this program reads"):
        factory.open(str(tmp_path / "d"))


def test_a_bucket_is_read_like_a_folder(s3, path, tmp_path):
    dataset = create_dataset(f"{s3}/d.zarr", layout(2, 2), RECORD, "seed: 3\n")
    dataset.write_shard(0, 0, [sample(0), sample(1)])
    dataset.seal()
    opened = factory.open(f"{s3}/d.zarr", cache=str(tmp_path / "cache")).where("grade == 1")
    np.testing.assert_array_equal(opened[0].arrays["label"], sample(1).arrays["label"])
    np.testing.assert_array_equal(opened.to_dask("label")[0].compute(), sample(1).arrays["label"])
    np.testing.assert_array_equal(opened.to_xarray()["label"][0], sample(1).arrays["label"])
