"""The lease stops a second driver, and never blocks a dataset for long."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from factory.storage.dataset import lease
from factory.storage.dataset.lease import KEY, Lease
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.errors import DatasetError


def put(folder: ObjectStore, **changed: object) -> None:
    here = {
        "host": os.uname().nodename,
        "process": os.getpid(),
        "started": psutil.Process().create_time(),
        "token": "another",
        "renewed": time.time(),
    }
    folder.put(KEY, json.dumps(here | changed).encode())


def test_a_second_driver_is_refused_unless_it_works_beside(tmp_path):
    folder = ObjectStore(tmp_path)
    with Lease(folder):
        lease_bytes = folder.get(KEY)
        with pytest.raises(DatasetError, match=rf"process {os.getpid()} on .* renewed its lease"):
            Lease(folder).__enter__()
        with Lease(folder, beside=True):
            assert folder.get(KEY) == lease_bytes
        assert folder.get(KEY) == lease_bytes
    assert folder.get(KEY) is None


def test_a_stale_or_damaged_lease_is_replaced(tmp_path):
    folder = ObjectStore(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for changed in (
        {"process": gone.pid},
        {"started": 1.0},  # its number was given to another process since
        {"host": "elsewhere", "renewed": time.time() - 61},
    ):
        put(folder, **changed)
        with Lease(folder):
            assert json.loads(folder.get(KEY))["token"] != "another"
    folder.put(KEY, b"no json")
    with Lease(folder):
        pass
    put(folder, host="elsewhere", process=gone.pid)  # whose processes nobody here can see
    with pytest.raises(DatasetError, match="on elsewhere is at work"):
        Lease(folder).refuse_if_busy()


def test_a_lease_is_renewed_until_another_driver_takes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    folder = ObjectStore(tmp_path)
    with Lease(folder) as mine:
        first = json.loads(folder.get(KEY))["renewed"]
        deadline = time.monotonic() + 60
        while json.loads(folder.get(KEY))["renewed"] == first:
            assert time.monotonic() < deadline
        while mine.thread.is_alive():  # on a disk a renewal may slip in between
            assert time.monotonic() < deadline
            put(folder)
            mine.thread.join(0.2)
    assert json.loads(folder.get(KEY))["token"] == "another"
