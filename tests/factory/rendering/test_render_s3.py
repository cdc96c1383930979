"""`factory render` into a bucket of a real S3 server: killed, resumed, damaged, repaired, read."""

import json
import os
import subprocess
import sys
import time

import pytest
from support.places import ROOT
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import dataset_digest, open_dataset

WAIT = 300


def test_killed_resumed_damaged_and_repaired(capsys, s3, tmp_path) -> None:
    url = f"{s3}/d.zarr"
    options = [RECIPE, *small(tiny_model(tmp_path / "tiny")), "--serial"]
    options += ["--set=anatomy.0.ventriculomegaly.grade={each: [0, 1, 2, 3, 4]}"]
    options += ["--set=output.samples_per_shard=1"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "factory.cli", "render", *options, "--output", url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + WAIT
    while not ObjectStore(url).list_names("ledger"):
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver.kill()
    driver.communicate()  # waits, and closes the pipes
    stood = len(ObjectStore(url).list_names("ledger"))
    assert 1 <= stood < 5
    assert not open_dataset(url).is_complete()

    assert cli.main(["render", *options, "--output", url, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["complete"], report["rendered"]) == (True, 5 - stood)
    assert report["preview"] is None
    disk = str(tmp_path / "d.zarr")
    assert cli.main(["render", *options, "--output", disk, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == report["digest"]

    folder, key = ObjectStore(url), "label/c/3/0/0/0"
    whole = folder.get(key)
    assert whole is not None
    folder.put(key, whole[:50] + b"?" + whole[51:])
    assert cli.main(["verify", url]) == 3
    assert capsys.readouterr().out.startswith(f"shard 3: {key} damaged\n")
    assert cli.main(["repair", url, "--serial"]) == 0
    assert folder.get(key) == whole
    assert dataset_digest(url) == report["digest"]
    assert ObjectStore(url).get("lease.json") is None


@pytest.mark.parametrize("verb", ["verify", "inspect", "repair"])
def test_no_bucket_is_one_line_and_exit_2(capsys, s3, verb) -> None:
    assert cli.main([verb, "s3://no-such-bucket-here/d.zarr"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the bucket does not exist" in error
