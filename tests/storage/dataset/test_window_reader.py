"""Windows of volumes are read from a disk, and from a bucket with a local cache."""

import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.places import environment
from support.stored_datasets import RECORD, assert_reads, layout, sample, windows, write

from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import create_dataset, grow_dataset
from factory.storage.dataset.reader import read_contents
from factory.storage.dataset.window_reader import WindowReader
from factory.storage.errors import DatasetError

GROWN = {"recipe_digest": "b" * 64, "grown_from": [{"recipe_digest": "a" * 64, "samples": 3}]}


def put(url: str, samples: int = 3) -> None:
    dataset = create_dataset(url, layout(samples, 2), RECORD, "seed: 3\n")
    dataset.write_shard(0, 0, [sample(0), sample(1)])
    dataset.write_shard(1, 2, [sample(2)])
    dataset.seal()


@pytest.mark.parametrize("threads", [0, 1, None])
def test_a_window_equals_that_region_of_the_sample(tmp_path, threads):
    write(tmp_path / "d", layout(3, 2))
    reader = windows(str(tmp_path / "d"))
    reader.threads = threads
    assert_reads(reader, 2)
    assert_reads(pickle.loads(pickle.dumps(reader)), 0)
    full_sample = reader.sample(1)
    np.testing.assert_array_equal(full_sample.arrays["label"], sample(1).arrays["label"])
    assert full_sample.columns["subject"] == "s1"


def test_a_missing_shard_is_not_read_as_zeros(tmp_path):
    write(tmp_path / "d", layout(3))
    (tmp_path / "d" / "label/c/1/0/0/0").unlink()
    reader = windows(str(tmp_path / "d"))
    assert_reads(reader, 0)
    with pytest.raises(DatasetError, match="label/c/1/0/0/0 is missing"):
        reader.read("label", 1)


def test_a_bucket_is_read_once_and_then_from_the_cache(s3, tmp_path):
    url = f"{s3}/d.zarr"
    put(url)
    reader = windows(url, tmp_path / "cache")
    assert_reads(reader, 0)
    assert_reads(windows(url), 1)  # without a cache too
    ObjectStore(url).delete("image")
    ObjectStore(url).delete("label/c/0")
    assert_reads(reader, 1)  # of the same shard
    assert_reads(windows(url, tmp_path / "cache"), 0)
    with pytest.raises(DatasetError, match="image/c/1/0/0/0 is missing or damaged"):
        reader.read("image", 2)
    assert list((tmp_path / "cache").rglob(".tmp*")) == []


def test_a_damaged_object_is_neither_read_nor_cached(s3, tmp_path):
    url = f"{s3}/d.zarr"
    put(url)
    data = bytearray(ObjectStore(url).get("image/c/1/0/0/0"))
    data[500] ^= 1
    ObjectStore(url).put("image/c/1/0/0/0", bytes(data))
    reader = windows(url, tmp_path / "cache")
    with pytest.raises(DatasetError, match="image/c/1/0/0/0 is missing or damaged"):
        reader.read("image", 2)
    ObjectStore(url).put("image/c/1/0/0/0", sound(tmp_path / "again", "image/c/1/0/0/0"))
    assert_reads(reader, 2)


def sound(path: Path, key: str) -> bytes:
    write(path, layout(3, 2))
    return (path / key).read_bytes()


def test_a_grown_dataset_shares_cached_objects_and_old_readers_continue(s3, tmp_path):
    url, cache = f"{s3}/d.zarr", tmp_path / "cache"
    put(url)
    old = windows(url, cache)
    assert_reads(old, 0)
    grown = grow_dataset(url, layout(4, 2), GROWN, "seed: 4\n")
    grown.write_shard(1, 3, [sample(3)])
    assert_reads(windows(url, tmp_path / "meanwhile"), 2)  # grown, not yet sealed
    grown.seal()
    assert_reads(old, 2)  # its ledger entry is gone, its samples are not
    before = {f.name for f in (cache / "objects").iterdir()}
    new = windows(url, cache)
    for index in range(4):
        assert_reads(new, index)
    after = {f.name for f in (cache / "objects").iterdir()}
    # the metadata and an entry; the shard that both have, and the longer one, are not put again
    assert not [f for f in after - before if (cache / "objects" / f).stat().st_size > 20_000]


def test_several_processes_fill_one_cache(s3, tmp_path):
    url, cache = f"{s3}/d.zarr", tmp_path / "cache"
    put(url)
    context = multiprocessing.get_context("spawn")
    crowd = [context.Process(target=assert_all, args=(url, cache)) for _ in range(3)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert [one.exitcode for one in crowd] == [0, 0, 0]


def assert_all(url: str, cache: Path) -> None:
    for index in range(3):
        assert_reads(windows(url, cache), index)


def test_a_cache_must_be_on_a_disk(s3):
    put(f"{s3}/d.zarr")
    contents = read_contents(f"{s3}/d.zarr")
    with pytest.raises(DatasetError, match="must be a folder on a disk"):
        WindowReader(contents.path, contents.layout, contents.seal, f"{s3}/cache").read("image", 0)


def test_a_forked_process_opens_its_own_files(tmp_path):
    """In a process of its own: those that other tests ran in may have tensorstore's threads."""
    write(tmp_path / "d", layout(3))
    code = f"""
import multiprocessing, sys
from support.stored_datasets import assert_reads, windows
found = windows({str(tmp_path / "d")!r})
assert_reads(found, 0)
def child():
    found.threads = 1
    assert_reads(found, 1)
one = multiprocessing.get_context("fork").Process(target=child)
one.start(); one.join(60)
sys.exit(one.exitcode)
"""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment())
    assert ended.returncode == 0, ended.stderr
