"""Datasets in a bucket of a real S3 server, and errors of that server."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray
import zarr
from s3fs import S3FileSystem
from support.faulty_proxy import FaultyProxy
from support.places import environment
from support.stored_datasets import RECORD, layout, sample, shards, write

from factory.storage.dataset.lease import Lease
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import create_dataset, dataset_digest, grow_dataset, open_dataset
from factory.storage.dataset.s3 import PATIENCE
from factory.storage.dataset.verify import Damage, verify_objects
from factory.storage.errors import DatasetError

GROWN = {"recipe_digest": "b" * 64, "grown_from": [{"recipe_digest": "a" * 64, "samples": 3}]}


def write_to(url: str, samples: int = 3):
    dataset = create_dataset(url, layout(samples, 2), RECORD, "seed: 3\n")
    dataset.write_shard(0, 0, [sample(0), sample(1)])
    dataset.write_shard(1, 2, [sample(i) for i in range(2, samples)])
    dataset.seal()
    return dataset


def test_written_read_damaged_and_grown_as_on_a_disk(s3, tmp_path):
    url = f"{s3}/folder/d.zarr"
    dataset = write_to(url)
    on_disk = write(tmp_path / "d", layout(3, 2))
    assert open_dataset(url).is_complete()
    assert dataset.digest() == on_disk.digest()
    stored = open_dataset(url).sample(2)
    np.testing.assert_array_equal(stored.arrays["label"], sample(2).arrays["label"])
    assert list(dataset.cases()["subject"]) == ["s0", "s1", "s2"]
    assert dataset.finished_shards(shards(layout(3, 2))) == {0, 1}

    findings = verify_objects(dataset.folder, dataset.record)
    assert (findings.damage, findings.shards) == ([], set())
    data = bytearray(dataset.folder.get("image/c/1/0/0/0"))
    data[1000] ^= 4
    dataset.folder.put("image/c/1/0/0/0", bytes(data))
    dataset.folder.delete("affine/zarr.json")
    assert verify_objects(dataset.folder, dataset.record).damage == [
        Damage("affine/zarr.json", "missing"),
        Damage("image/c/1/0/0/0", "damaged", 1),
    ]
    dataset.remove_entries([1])
    dataset.write_shard(1, 2, [sample(2)])
    dataset.seal()
    assert verify_objects(dataset.folder, dataset.record).damage == []

    grown = grow_dataset(url, layout(4, 2), GROWN, "seed: 4\n")
    grown.write_shard(1, 3, [sample(3)])
    grown.seal()
    assert dataset.digest() == on_disk.digest()  # a reader of the old seal
    assert grown.digest() == dataset_digest(str(write(tmp_path / "e", layout(4, 2)).path))


def test_other_libraries_read_it(s3):
    url = f"{s3}/d.zarr"
    write_to(url)
    group = zarr.open(url, mode="r")
    np.testing.assert_array_equal(group["label"][1], sample(1).arrays["label"])
    scene = xarray.open_zarr(url)
    np.testing.assert_array_equal(scene["label"].sel(sample=2), sample(2).arrays["label"])


def test_of_several_writers_only_one_creates_an_object(s3):
    folder = ObjectStore(f"{s3}/d")
    assert folder.put_new("a", b"1")
    assert not folder.put_new("a", b"2")
    assert folder.swap("a", b"1", b"3")
    assert not folder.swap("a", b"1", b"4")
    assert not folder.swap("b", b"1", b"4")
    assert folder.swap("b", None, b"5")
    assert folder.get("a") == b"3"


def refused(url: str) -> str:
    S3FileSystem.clear_instance_cache()
    messages = []
    for attempt in (lambda: create_dataset(url, layout(2), RECORD, ""), lambda: open_dataset(url)):
        with pytest.raises(DatasetError) as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert os.environ.get("AWS_SECRET_ACCESS_KEY", "?") not in str(caught.value)
        messages.append(str(caught.value).partition(": ")[2])
    assert messages[0] == messages[1]
    return messages[0]


def test_a_bucket_that_cannot_be_used_is_explained_in_one_line(s3, monkeypatch):
    assert refused("s3://no-such-bucket/d.zarr") == (
        "cannot open: the bucket does not exist (NoSuchBucket)"
    )
    monkeypatch.setitem(
        PATIENCE["config_kwargs"], "retries", {"mode": "standard", "max_attempts": 2}
    )
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        assert "the secret key is wrong" in refused(f"{s3}/d.zarr")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        assert "the access key is not known there" in refused(f"{s3}/d.zarr")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        assert "Could not connect to the endpoint URL" in refused(f"{s3}/d.zarr")
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        assert "no credentials; set AWS_ACCESS_KEY_ID" in refused(f"{s3}/d.zarr")


def test_a_full_bucket_is_reported_after_several_tries(s3, s3_server, monkeypatch):
    """Over its quota this server answers 500, and is asked again and again before that is told."""
    patience = {"mode": "standard", "max_attempts": 2}
    monkeypatch.setitem(PATIENCE["config_kwargs"], "retries", patience)
    S3FileSystem.clear_instance_cache()
    folder, name = ObjectStore(f"{s3}/d.zarr"), s3.removeprefix("s3://")
    folder.put("ballast", bytes(2_000_000))
    quota = f"s3.bucket.quota -name={name} -op=set -sizeMB=1"
    message = ""
    deadline = time.monotonic() + 120
    while not message and time.monotonic() < deadline:
        # The server learns the size of a bucket some seconds late, so a quota enforced once may
        # be compared with an empty bucket.
        s3_server.shell("lock", quota, "s3.bucket.quota.enforce -apply", "unlock")
        try:
            folder.put("more", b"1")
        except DatasetError as error:
            message = str(error)
    assert message.startswith(f"{s3}/d.zarr: cannot write more: ")
    assert "it may be full" in message
    assert folder.get("ballast") == bytes(2_000_000)


def test_a_server_in_trouble_is_asked_again(s3, s3_server, monkeypatch, tmp_path):
    """A quarter of the answers are 500, 503, cut short or too late; the dataset is the same."""
    rng = np.random.Generator(np.random.Philox(1))
    kinds = (*12 * ("ok",), "500", "503", "cut", "slow")
    script = [str(rng.choice(kinds)) for _ in range(10_000)]
    monkeypatch.setitem(PATIENCE["config_kwargs"], "read_timeout", 1.0)
    upstream = s3_server.url.removeprefix("http://")
    with FaultyProxy(upstream, script.__getitem__, slow=1.5) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        S3FileSystem.clear_instance_cache()
        dataset = write_to(f"{s3}/d.zarr")
        assert verify_objects(dataset.folder, dataset.record).damage == []
        troubled = set(proxy.troubles)
    assert troubled == set(kinds)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    S3FileSystem.clear_instance_cache()
    assert dataset_digest(f"{s3}/d.zarr") == write(tmp_path / "d", layout(3, 2)).digest()


WRITER = """
import sys, time
from support.stored_datasets import RECORD, layout, sample
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.lease import Lease
dataset = create_dataset(sys.argv[1], layout(6, 2), RECORD, "")
with Lease(dataset.folder, beside=len(sys.argv) > 3):
    for index in range(3):
        dataset.write_shard(index, 2 * index, [sample(2 * index), sample(2 * index + 1)])
        print(index, flush=True)
        time.sleep(float(sys.argv[2]))
    dataset.seal()
"""


def driver(url: str, seconds: float, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(seconds), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(OMP_NUM_THREADS="1"),
    )


def test_a_driver_killed_does_not_block_its_own_resume(s3, tmp_path):
    """A second driver is told who is at work; once that one is killed by -9, it goes on at once."""
    url = f"{s3}/d.zarr"
    with driver(url, 600) as first:
        assert first.stdout.readline() == "0\n"
        lease = Lease(ObjectStore(url))
        busy = f"process {first.pid} on .* is at work on it"
        with pytest.raises(DatasetError, match=busy) as caught:
            lease.refuse_if_busy()
        assert "--beside" in str(caught.value)
        Lease(ObjectStore(url), beside=True).refuse_if_busy()
        first.send_signal(signal.SIGKILL)
    assert not open_dataset(url).is_complete()
    with driver(url, 0) as second:
        assert second.wait() == 0, second.stderr.read()
    assert open_dataset(url).is_complete()
    assert dataset_digest(url) == write(tmp_path / "d", layout(6, 2)).digest()
    assert ObjectStore(url).get("lease.json") is None


def test_two_drivers_beside_each_other_do_no_harm(s3, tmp_path):
    url = f"{s3}/d.zarr"
    for one in [driver(url, 0.2, "beside"), driver(url, 0.1, "beside")]:
        output, errors = one.communicate()
        assert (one.returncode, output) == (0, "0\n1\n2\n"), errors
    dataset = open_dataset(url)
    assert dataset.is_complete()
    assert verify_objects(dataset.folder, dataset.record).damage == []
    assert dataset.digest() == write(tmp_path / "d", layout(6, 2)).digest()
