"""The files of an exported sample appear complete, in a folder of one export."""

import multiprocessing
from pathlib import Path

import pytest

from factory.storage.errors import ExportError
from factory.storage.export.target import (
    MARKER,
    WRITING,
    claim_folder,
    has_all_files,
    lock_folder,
    place_files,
)

WHAT = {"format": "bids", "where": None}


def test_a_sample_is_complete_once_all_its_files_exist(tmp_path) -> None:
    def cut_short(writing: Path) -> None:
        (writing / "a/one").write_bytes(b"1")
        raise KeyboardInterrupt

    def write_both(writing: Path) -> None:
        (writing / "a/one").write_bytes(b"1")
        (writing / "b.zarr").mkdir()
        (writing / "b.zarr/zarr.json").write_bytes(b"2")

    names = ["a/one", "b.zarr"]
    claim_folder(tmp_path, WHAT)
    with pytest.raises(KeyboardInterrupt), lock_folder(tmp_path):
        place_files(tmp_path, names, cut_short)
    assert not (tmp_path / "a").exists()
    assert not has_all_files(tmp_path, names)
    with lock_folder(tmp_path):
        place_files(tmp_path, names, write_both)
    assert has_all_files(tmp_path, names)
    place_files(tmp_path, names, write_both)  # over a folder that stands
    assert (tmp_path / "b.zarr/zarr.json").read_bytes() == b"2"


def test_the_files_of_a_killed_export_are_removed(tmp_path) -> None:
    claim_folder(tmp_path, WHAT)
    (tmp_path / WRITING / "1-x").mkdir(parents=True)
    with lock_folder(tmp_path):
        assert not (tmp_path / WRITING).exists()


def test_a_folder_holds_one_export_only(tmp_path) -> None:
    claim_folder(tmp_path / "new", WHAT)
    claim_folder(tmp_path / "new", WHAT)  # again: the same
    with pytest.raises(ExportError, match="its where is None, not 'grade > 1'"):
        claim_folder(tmp_path / "new", {**WHAT, "where": "grade > 1"})
    with pytest.raises(ExportError, match="not an export of ours"):
        claim_folder(tmp_path, WHAT)
    with pytest.raises(ExportError, match="not an export of ours"):
        claim_folder(tmp_path / "new" / MARKER, WHAT)


def hold(folder: Path, ready, over) -> None:
    with lock_folder(folder):
        ready.set()
        over.wait(60)


def test_a_second_export_to_the_same_folder_is_refused(tmp_path) -> None:
    claim_folder(tmp_path, WHAT)
    context = multiprocessing.get_context("spawn")
    ready, over = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, over))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(ExportError, match="another export is at work"), lock_folder(tmp_path):
            pass
    finally:
        other.kill()  # and nothing of it stays
        other.join()
    with lock_folder(tmp_path):
        pass
