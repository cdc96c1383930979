"""Datasets written, sealed, resumed, refused and read by other people's libraries."""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st

from storage import ledger
from storage.dataset_open import create, digest, open_dataset
from storage.errors import DatasetError, SampleError
from storage.layout import Layout, brick_length, dequantise, metadata, quantise
from storage.stored_sample import StoredSample
from storage.subject import FETA, Grid

RECORD = {"recipe_digest": "a" * 64, "overrides": {"seed": 3}}
SHAPE = (40, 52, 36)


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
    dataset = create(str(path), of, RECORD, "seed: 3\n", **how)
    for index in range(of.shards)[::order]:
        start = index * of.samples_per_shard
        stop = min(start + of.samples_per_shard, of.samples)
        dataset.write_shard(index, start, [sample(i, extras) for i in range(start, stop)])
    dataset.seal()
    return dataset


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def test_what_is_written_comes_back(tmp_path):
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


def test_cases_table_has_a_row_a_sample_in_order(tmp_path):
    write(tmp_path / "d.zarr", layout(4, 2), order=-1)
    table = pd.read_parquet(tmp_path / "d.zarr" / "cases.parquet")
    assert list(table["sample"]) == [0, 1, 2, 3]
    assert list(table["subject"]) == ["s0", "s1", "s2", "s3"]
    assert list(table["grade"]) == [0, 1, 2, 3]
    assert set(table["atrial_width_mm"]) == {7.5}


def test_same_bytes_in_any_order_and_written_twice(tmp_path):
    write(tmp_path / "a", layout(4, 2))
    dataset = write(tmp_path / "b", layout(4, 2), order=-1)
    before = files(tmp_path / "b")
    dataset.write_shard(1, 2, [sample(2), sample(3)])
    assert files(tmp_path / "b") == before == files(tmp_path / "a")


def test_digest_is_the_definition_and_ignores_how_it_is_cut(tmp_path):
    write(tmp_path / "one", layout(3, 1))
    write(tmp_path / "two", layout(3, 2))
    group = zarr.open(tmp_path / "one", mode="r")
    total = hashlib.sha256()
    for i in range(3):
        for name, dtype in (("image", "<u2"), ("label", "|u1")):
            total.update(f"{name} {dtype} 40,52,36\n".encode() + group[name][i].tobytes())
        total.update(b'{"id":"case-%d"}\n' % i)
    assert digest(str(tmp_path / "one")) == digest(str(tmp_path / "two")) == total.hexdigest()


def test_complete_only_when_sealed_and_unaltered(tmp_path):
    of = layout(3)
    dataset = create(str(tmp_path / "d"), of, RECORD, "")
    dataset.write_shard(0, 0, [sample(0)])
    assert dataset.done(shards(of)) == {0}
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
def test_a_flipped_byte_is_not_complete_and_is_mended(tmp_path, key):
    dataset = write(tmp_path / "d", layout(2))
    file = tmp_path / "d" / key
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert not open_dataset(str(tmp_path / "d")).is_complete()
    again = create(str(tmp_path / "d"), layout(2), RECORD, "seed: 3\n")
    again.seal()
    assert again.is_complete()
    assert again.digest() == dataset.digest()


def test_an_entry_counts_only_whole_and_for_the_same_cases(tmp_path):
    of = layout(3)
    dataset = write(tmp_path / "d", of)
    entries = sorted((tmp_path / "d" / "ledger").iterdir())
    entries[0].write_bytes(entries[0].read_bytes()[:-20])
    entries[1].write_bytes(entries[1].read_bytes().replace(b"case-1", b"case-9"))
    assert dataset.done(shards(of)) == {2}
    assert not dataset.is_complete()
    other = [replace(s, cases=(PlainCase("another"),)) for s in shards(of)]
    assert dataset.done(other) == set()


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


def test_ledger_has_checksums_of_what_lies_there(tmp_path):
    write(tmp_path / "d", layout(2))
    for file in (tmp_path / "d/ledger").iterdir():
        entry = ledger.parse(file.read_bytes())
        assert set(entry["objects"]) == {
            f"{n}/c/{entry['shard']}/0/0/0" for n in ("image", "label")
        }
        for key, written in entry["objects"].items():
            data = (tmp_path / "d" / key).read_bytes()
            assert len(data) == written["bytes"]
            assert hashlib.sha256(data).hexdigest() == written["sha256"]


def test_another_recipe_is_refused_without_overwrite(tmp_path):
    path = str(tmp_path / "d")
    write(tmp_path / "d", layout(2))
    other = {"recipe_digest": "b" * 64}
    before = files(tmp_path / "d")
    with pytest.raises(DatasetError, match=r"made by another recipe.*--overwrite"):
        create(path, layout(2), other, "")
    assert files(tmp_path / "d") == before
    dataset = create(path, layout(2), other, "", overwrite=True)
    assert not dataset.is_complete()
    assert dataset.done(shards(layout(2))) == set()
    assert open_dataset(path).record["recipe_digest"] == "b" * 64


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DatasetError, match="not a dataset of ours"):
        create(str(tmp_path), layout(), RECORD, "", overwrite=overwrite)
    with pytest.raises(DatasetError, match="not a dataset of ours"):
        create(str(tmp_path / "thesis.tex"), layout(), RECORD, "", overwrite=overwrite)
    assert files(tmp_path) == {"thesis.tex": b"years of work"}


def test_opening_what_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match="no such dataset"):
        open_dataset(str(tmp_path / "nowhere"))


def test_another_environment_is_refused_without_allow_mixed(tmp_path):
    path = str(tmp_path / "d")
    create(path, layout(), RECORD, "")
    with pytest.raises(DatasetError, match=r"device cpu, here H200.*--allow-mixed"):
        create(path, layout(), RECORD, "", device="H200")
    with pytest.raises(DatasetError, match="threads 1, here 2"):
        create(path, layout(), RECORD, "", threads=2)
    create(path, layout(), RECORD, "", device="H200", allow_mixed=True)


def test_a_writer_with_another_instruction_set_is_refused(tmp_path):
    dataset = create(str(tmp_path / "d"), layout(), RECORD, "")
    begun = {**dataset.record["environment"], "instruction_set": "SOMETHING_ELSE"}
    moved = replace(dataset, record={**dataset.record, "environment": begun})
    with pytest.raises(DatasetError, match="instruction_set SOMETHING_ELSE"):
        moved.write_shard(0, 0, [sample(0)])
    assert dataset.done(shards(layout())) == set()
    replace(moved, allow_mixed=True).write_shard(0, 0, [sample(0)])
    assert dataset.done(shards(layout())) == {0}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("image", np.full(SHAPE, np.nan, np.float32), "case case-0: image holds NaN"),
        ("image", np.zeros((40, 52, 35), np.float32), r"shape \(40, 52, 35\)"),
        ("label", np.full(SHAPE, 8, np.uint8), "label 8 is not in the label table"),
        ("label", np.zeros(SHAPE, np.int64), "label is int64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, values, message):
    dataset = create(str(tmp_path / "d"), layout(), RECORD, "")
    bad = replace(sample(0), arrays={**sample(0).arrays, name: values})
    with pytest.raises(SampleError, match=message):
        dataset.write_shard(0, 0, [bad])
    assert dataset.done(shards(layout())) == set()


LIMITED = """
import resource, sys
from tests_storage_helper import layout, sample, RECORD
from storage.dataset_open import create
from storage.errors import DatasetError
dataset = create(sys.argv[1], layout(2), RECORD, "")
dataset.write_shard(0, 0, [sample(0)])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    dataset.write_shard(1, 1, [sample(1)])
except DatasetError as error:
    print(error)
"""


def run(code: str, *arguments: str, **how: int) -> subprocess.CompletedProcess:
    code = code.replace("tests_storage_helper", Path(__file__).stem)
    folders = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        **how,
    )


def test_a_disk_that_takes_no_more(tmp_path):
    """The kernel refuses the write half way, as on a full disk; here by a limit of file size."""
    done = run(LIMITED, str(tmp_path / "d"))
    assert "cannot write image/c/1/0/0/0: File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not [f for f in files(tmp_path / "d") if ".tmp-" in f or f.startswith("image/c/1")]
    dataset = create(str(tmp_path / "d"), layout(2), RECORD, "")
    assert dataset.done(shards(layout(2))) == {0}


def test_no_permission(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    code = """
import sys
from tests_storage_helper import layout, RECORD
from storage.dataset_open import create
from storage.errors import DatasetError
try:
    create(sys.argv[1], layout(), RECORD, "")
except DatasetError as error:
    print(error)
"""
    if os.getuid() != 0:
        done = run(code, str(folder / "d"))
    else:  # root may write anywhere: be nobody
        for parent in [tmp_path, *tmp_path.parents]:
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(0o755)
        done = run(
            code.replace("import sys", "import sys, os", 1).replace(
                "try:", "os.setuid(65534)\ntry:", 1
            ),
            str(folder / "d"),
        )
    assert done.stdout.strip().endswith("cannot write record.json: Permission denied")


def test_what_a_killed_process_left_is_swept(tmp_path):
    dataset = create(str(tmp_path / "d"), layout(2), RECORD, "")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = os.uname().nodename
    left = tmp_path / "d/ledger" / f".tmp-{host}-{gone.pid}-0"
    working = tmp_path / "d/ledger" / f".tmp-{host}-{os.getpid()}-9999"
    left.write_bytes(b"half")
    working.write_bytes(b"half")
    create(str(tmp_path / "d"), layout(2), RECORD, "")
    assert not left.exists()
    assert working.exists()
    assert dataset.done(shards(layout(2))) == set()


def test_a_bucket_like_store_works_too():
    """fsspec's memory file system stands for any that is not a disk."""
    of = layout(2)
    dataset = create("memory://bucket/d.zarr", of, RECORD, "")
    for i in range(2):
        dataset.write_shard(i, i, [sample(i)])
    dataset.seal()
    again = open_dataset("memory://bucket/d.zarr")
    assert again.is_complete()
    assert len(again.digest()) == 64
    create("memory://bucket/d.zarr", of, {"recipe_digest": "c"}, "", overwrite=True)
    assert not open_dataset("memory://bucket/d.zarr").is_complete()


@given(st.integers(16, 400))
def test_bricks_are_near_64_with_next_to_no_padding(length):
    brick = brick_length(length)
    assert brick <= 96
    assert brick >= min(length, 32)
    assert -(-length // brick) * brick - length <= 0.04 * length


def test_bricks_split_usual_sizes_evenly():
    assert [brick_length(n) for n in (64, 96, 112, 128)] == [64, 48, 56, 64]


@given(st.floats(-2, 2), st.floats(0.01, 3), st.lists(st.floats(-5, 5, width=32), min_size=1))
def test_quantising_keeps_half_a_level_and_counts_what_it_clips(low, width, values):
    image, high = np.array(values, np.float32), low + width
    exact = image.astype(float)
    levels, clipped = quantise(image, low, high)
    back = dequantise(levels, low, high)
    level, rounding = width / 65535, np.spacing(np.float32(5))
    assert np.abs(back - np.clip(exact, low, high)).max() <= level / 2 + rounding
    assert clipped <= np.mean((exact < low) | (exact > high))
    assert clipped >= np.mean((exact < low - level) | (exact > high + level))


def test_metadata_is_the_same_bytes_every_time():
    of = layout(5, 2, ("original", "uncertainty"))
    assert metadata(of, {"a": 1}) == metadata(of, {"a": 1})


def test_layout_survives_its_record():
    of = layout(5, 2, ("original",))
    assert Layout.from_json(json.loads(json.dumps(of.to_json()))) == of
