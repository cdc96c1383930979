"""`factory report` on the command line: what it prints, and its exit codes."""

import json

import pytest
from support.report_pages import dataset, graded

from factory.cli import main


def test_the_command_prints_what_it_wrote(tmp_path, capsys, monkeypatch):
    stored = dataset(tmp_path / "d.zarr", graded(1))
    monkeypatch.chdir(tmp_path)
    assert main(["report", stored.path, "--no-digest"]) == 0
    output = capsys.readouterr().out
    assert "report    report.html (" in output
    assert "3 of 3 samples shown" in output
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert main(["report", stored.path, "--json", "--output", "new/r.html"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["digest"] == stored.digest()
    assert content["size"] == (tmp_path / "new" / "r.html").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.zarr"], "no such dataset"),
        (["d.zarr", "--scores", "nowhere"], "--scores nowhere: no such folder"),
        (["d.zarr", "--scores", "."], "no scores; allowed"),
        (["d.zarr", "--output", "."], "a folder; allowed: a file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    dataset(tmp_path / "d.zarr", graded(1, 1))
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
