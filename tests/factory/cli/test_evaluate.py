"""The command line of `factory evaluate` before it had sub-commands still works."""

from pathlib import Path

import pytest
import typer

from factory import cli
from factory.cli.evaluate import translate_old_spelling


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("recipe.yaml --model m", "model recipe.yaml --model m"),
        ("d.zarr --real original --json", "dataset d.zarr --real original --json"),
        ("d.zarr --against=FOLDER --slices 3", "dataset d.zarr --real FOLDER --slices 3"),
        ("d.zarr --real X --audit --fail-above 0.2", "audit d.zarr --real X --fail-above 0.2"),
        ("--deformation --real=X d.zarr", "deformation --real X d.zarr"),
        ("d.zarr --downstream r.yaml --seeds 2", "downstream d.zarr r.yaml --seeds 2"),
        ("d.zarr --seeds 2 --downstream=r.yaml", "downstream d.zarr r.yaml --seeds 2"),
    ],
)
def test_the_old_spelling_becomes_the_new_one(old: str, new: str) -> None:
    assert translate_old_spelling(old.split()) == new.split()


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("d.zarr --real X --audit --deformation", "cannot be combined"),
        ("d.zarr --real X --downstream r.yaml", "cannot be combined with --downstream or --model"),
        ("d.zarr --real X --model m", "cannot be combined with --downstream or --model"),
    ],
)
def test_options_that_cannot_be_combined_are_still_refused(old: str, message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        translate_old_spelling(old.split())


def test_the_old_spelling_works_and_prints_the_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", str(tmp_path / "d.zarr"), "--real", "original", "--audit"]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note.startswith("factory: note: the new spelling is: factory evaluate audit ")
    assert "no such dataset" in error


def test_model_names_the_other_sub_commands_when_given_a_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    assert cli.main(["evaluate", "model", str(tmp_path)]) == 2
    assert "allowed: factory evaluate dataset, audit" in capsys.readouterr().err
