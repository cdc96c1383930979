"""An export selects samples and a folder, uses several processes, and can be continued."""

import json
import shutil
from pathlib import Path

import pytest
from support.export_checks import contents, serial, write

from factory import cli
from factory.datasets.export import export_dataset
from factory.storage.dataset.dataset import Dataset
from factory.storage.export.formats.nnunet import NnUnet


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(str(tmp_path_factory.mktemp("export") / "small-set.zarr"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["export", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_several_processes_write_the_same_bytes_as_one(dataset, tmp_path) -> None:
    serial(dataset, "bids", tmp_path / "one")
    export_dataset(dataset.path, "bids", str(tmp_path / "two"), workers=2, progress=False)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_stopped_export_is_continued(dataset, tmp_path, monkeypatch) -> None:
    uninterrupted = Path(serial(dataset, "nnunet", tmp_path / "whole").folder)
    write = NnUnet.write

    def stopped(self, index, sample, folder) -> None:
        write(self, index, sample, folder)
        if index == 2:
            (folder / self.files(index)[1]).unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(NnUnet, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        serial(dataset, "nnunet", tmp_path / "other")
    monkeypatch.undo()
    folder = tmp_path / "other" / uninterrupted.name
    remaining = set(contents(folder))
    assert remaining == {
        ".export.json",
        "imagesTr/sample_0000_0000.nii.gz",
        "labelsTr/sample_0000.nii.gz",
    }
    report = serial(dataset, "nnunet", tmp_path / "other")
    assert (report.samples, report.written) == (3, 2)
    assert contents(folder) == contents(uninterrupted)
    (folder / "labelsTr/sample_0003.nii.gz").unlink()
    assert serial(dataset, "nnunet", tmp_path / "other").written == 1
    assert contents(folder) == contents(uninterrupted)


def test_a_query_and_rejected_samples_limit_the_export(capsys, dataset, tmp_path) -> None:
    arguments = ["export", dataset.path, "--to", "bids", "--workers", "1", "--output"]
    assert cli.main([*arguments, str(tmp_path / "b"), "--where", "grade >= 1 and grade < 3"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "1 sample exported, 1 of them written now; "
        "left out: 2 by --where, 1 rejected (--all exports them too)"
    )
    assert cli.main([*arguments, str(tmp_path / "all"), "--all", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["samples"], report["rejected"]) == (4, 0)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("grad >= 2", "no column 'grad'; did you mean grade?"),
        ("grade >=", "is not a condition on columns"),
        ("grade + 1", "is not true or false for each sample"),
        ("grade > 77", "is true for none of the 4 samples"),
        ("grade == 1", "all 1 selected samples were rejected"),
        ("subject > 3", "is not a condition on columns"),
    ],
)
def test_a_wrong_query_is_refused(capsys, dataset, tmp_path, where, message) -> None:
    at = ("--output", str(tmp_path / "b"))
    assert message in refused(capsys, dataset.path, "--to", "bids", *at, "--where", where)
    assert not (tmp_path / "b").exists()


def test_an_export_that_cannot_be_made_is_refused(capsys, dataset, tmp_path) -> None:
    at = ("--output", str(tmp_path / "b"), "--workers", "1")
    assert "did you mean nnunet?" in refused(capsys, dataset.path, "--to", "nnunt", *at)
    assert "needs a folder" in refused(capsys, dataset.path, "--to", "bids")
    assert "needs a folder" in refused(capsys, dataset.path, "--to", "bids", "--output", "s3://b/c")
    assert "letters and digits" in refused(
        capsys, dataset.path, "--to", "bids", *at, "--contrast", "T2-w"
    )
    serial(dataset, "bids", tmp_path / "b", where="grade == 3")
    assert "holds another export" in refused(capsys, dataset.path, "--to", "bids", *at)
    inside = ("--output", dataset.path)
    assert "not an export of ours" in refused(capsys, dataset.path, "--to", "bids", *inside)
    begun = Path(shutil.copytree(dataset.path, tmp_path / "begun.zarr"))
    shutil.rmtree(begun / "seal")
    assert "not complete" in refused(capsys, str(begun), "--to", "bids", *at)


def test_a_damaged_sample_is_named(capsys, tmp_path) -> None:
    dataset = write(str(tmp_path / "d.zarr"), 2)
    file = Path(dataset.path) / "label/c/0/0/0/0"
    file.write_bytes(file.read_bytes()[:-40])
    at = ("--output", str(tmp_path / "b"), "--workers", "1", "--json")
    assert "label of sample 0 is missing or damaged" in refused(
        capsys, dataset.path, "--to", "bids", *at
    )
    assert not (tmp_path / "b/participants.tsv").exists()


def test_the_nnunet_number_is_a_free_one_or_the_named_one(capsys, dataset, tmp_path) -> None:
    (tmp_path / "Dataset501_Theirs").mkdir()
    assert serial(dataset, "nnunet", tmp_path).folder.endswith("Dataset502_SmallSet")
    assert serial(dataset, "nnunet", tmp_path).written == 0  # found again
    named = serial(dataset, "nnunet", tmp_path / "Dataset042_Brains")
    assert Path(named.folder) == tmp_path / "Dataset042_Brains"
    output = str(tmp_path / "Dataset501_Mine")
    error = refused(capsys, dataset.path, "--to", "nnunet", "--output", output)
    assert "is that of Dataset501_Theirs" in error
