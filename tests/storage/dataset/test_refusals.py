"""Datasets and samples that are refused, and errors of the disk or of a killed process."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.places import environment
from support.stored_datasets import RECORD, SHAPE, files, layout, sample, shards, write

from factory.storage.dataset.open import create_dataset, open_dataset
from factory.storage.errors import DatasetError, SampleError


def test_another_recipe_is_refused_without_overwrite(tmp_path):
    path = str(tmp_path / "d")
    write(tmp_path / "d", layout(2))
    other = {"recipe_digest": "b" * 64}
    before = files(tmp_path / "d")
    with pytest.raises(DatasetError, match=r"made by another recipe.*--overwrite"):
        create_dataset(path, layout(2), other, "")
    assert files(tmp_path / "d") == before
    dataset = create_dataset(path, layout(2), other, "", overwrite=True)
    assert not dataset.is_complete()
    assert dataset.finished_shards(shards(layout(2))) == set()
    assert open_dataset(path).record["recipe_digest"] == "b" * 64


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DatasetError, match="not a dataset of ours"):
        create_dataset(str(tmp_path), layout(), RECORD, "", overwrite=overwrite)
    with pytest.raises(DatasetError, match="not a dataset of ours"):
        create_dataset(str(tmp_path / "thesis.tex"), layout(), RECORD, "", overwrite=overwrite)
    assert files(tmp_path) == {"thesis.tex": b"years of work"}


def test_opening_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such dataset"):
        open_dataset(str(tmp_path / "nowhere"))


def test_another_environment_is_refused_without_allow_mixed(tmp_path):
    path = str(tmp_path / "d")
    create_dataset(path, layout(), RECORD, "")
    with pytest.raises(DatasetError, match=r"device cpu, here H200.*--allow-mixed"):
        create_dataset(path, layout(), RECORD, "", device="H200")
    with pytest.raises(DatasetError, match="threads 1, here 2"):
        create_dataset(path, layout(), RECORD, "", threads=2)
    create_dataset(path, layout(), RECORD, "", device="H200", allow_mixed=True)


def test_a_writer_with_another_instruction_set_is_refused(tmp_path):
    dataset = create_dataset(str(tmp_path / "d"), layout(), RECORD, "")
    begun = {**dataset.record["environment"], "instruction_set": "SOMETHING_ELSE"}
    moved = replace(dataset, record={**dataset.record, "environment": begun})
    with pytest.raises(DatasetError, match="instruction_set SOMETHING_ELSE"):
        moved.write_shard(0, 0, [sample(0)])
    assert dataset.finished_shards(shards(layout())) == set()
    replace(moved, allow_mixed=True).write_shard(0, 0, [sample(0)])
    assert dataset.finished_shards(shards(layout())) == {0}


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
    dataset = create_dataset(str(tmp_path / "d"), layout(), RECORD, "")
    bad = replace(sample(0), arrays={**sample(0).arrays, name: values})
    with pytest.raises(SampleError, match=message):
        dataset.write_shard(0, 0, [bad])
    assert dataset.finished_shards(shards(layout())) == set()


LIMITED = """
import resource, sys
from support.stored_datasets import layout, sample, RECORD
from factory.storage.dataset.open import create_dataset
from factory.storage.errors import DatasetError
dataset = create_dataset(sys.argv[1], layout(2), RECORD, "")
dataset.write_shard(0, 0, [sample(0)])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    dataset.write_shard(1, 1, [sample(1)])
except DatasetError as error:
    print(error)
"""


def run(code: str, *arguments: str, **how: int) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment(OMP_NUM_THREADS="1"),
        check=True,
        **how,
    )


def test_a_full_disk_is_reported_in_one_line(tmp_path):
    """The kernel refuses the write half way, as on a full disk; here by a limit of file size."""
    ended = run(LIMITED, str(tmp_path / "d"))
    assert "cannot write image/c/1/0/0/0: File too large" in ended.stdout
    assert ended.stdout.count("\n") == 1
    assert not [f for f in files(tmp_path / "d") if ".tmp-" in f or f.startswith("image/c/1")]
    dataset = create_dataset(str(tmp_path / "d"), layout(2), RECORD, "")
    assert dataset.finished_shards(shards(layout(2))) == {0}


def test_a_folder_without_permission_is_reported_in_one_line(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    code = """
import sys
from support.stored_datasets import layout, RECORD
from factory.storage.dataset.open import create_dataset
from factory.storage.errors import DatasetError
try:
    create_dataset(sys.argv[1], layout(), RECORD, "")
except DatasetError as error:
    print(error)
"""
    if os.getuid() != 0:
        ended = run(code, str(folder / "d"))
    else:  # root may write anywhere: be nobody, who may not read root's Python: import all before
        for parent in [tmp_path, *tmp_path.parents]:
            if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(0o755)
        ended = run(
            code.replace("import sys", "import email.parser, os, sys", 1).replace(
                "try:", "os.setuid(65534)\ntry:", 1
            ),
            str(folder / "d"),
        )
    assert ended.stdout.strip().endswith("cannot write record.json: Permission denied")


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    dataset = create_dataset(str(tmp_path / "d"), layout(2), RECORD, "")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = os.uname().nodename
    leftover = tmp_path / "d/ledger" / f".tmp-{host}-{gone.pid}-0"
    working = tmp_path / "d/ledger" / f".tmp-{host}-{os.getpid()}-9999"
    leftover.write_bytes(b"half")
    working.write_bytes(b"half")
    create_dataset(str(tmp_path / "d"), layout(2), RECORD, "")
    assert not leftover.exists()
    assert working.exists()
    assert dataset.finished_shards(shards(layout(2))) == set()


def test_a_store_in_memory_works_too():
    """fsspec's memory file system stands for any that is not a disk."""
    of = layout(2)
    dataset = create_dataset("memory://bucket/d.zarr", of, RECORD, "")
    for i in range(2):
        dataset.write_shard(i, i, [sample(i)])
    dataset.seal()
    again = open_dataset("memory://bucket/d.zarr")
    assert again.is_complete()
    assert len(again.digest()) == 64
    create_dataset("memory://bucket/d.zarr", of, {"recipe_digest": "c"}, "", overwrite=True)
    assert not open_dataset("memory://bucket/d.zarr").is_complete()
