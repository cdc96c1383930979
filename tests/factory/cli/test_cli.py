"""The command line: exit codes, one-line errors, and JSON."""

import errno
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from support.tiny_models import RECIPE, small, tiny_model

from factory import api, cli
from factory.errors import PlanError, ShardsFailed
from factory.models.checkpoint import save_model
from factory.models.spade.network import SpadeConfig, SpadeGenerator


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The error of a command that must end with `code`, in one line, and print nothing else."""
    ended, out, err = run(capsys, *arguments)
    assert ended == code
    assert out == ""
    assert err.startswith("factory: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_plan_prints_what_would_be_made_and_writes_nothing(
    capsys, model, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "plan", "hydrocephalus", f"--set=appearance.model={model}")
    assert (code, err) == (0, "")
    for word in ("20 of 128 × 144 × 112", "shards   20", "memory", "time", "MB"):
        assert word in out
    assert "training saw 24 to 30" in out
    assert list(tmp_path.iterdir()) == []


def test_plan_is_printed_as_json(capsys, model) -> None:
    arguments = ("plan", RECIPE, "--json", *small(model), "--set", "replicates=50")
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["samples"] == 1 * 2 * 50
    assert report["done"] == 0
    assert {"shards", "bytes", "peak_memory_bytes", "seconds"} <= report.keys()


def test_plan_in_words_and_as_a_table_needs_no_model(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("plan", "clinic", "--cases", "--explain", "--set=appearance.model=nobody")
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    for word in ("Makes 40 samples", "Group mild: 20 %", "learned-mild-0000", "20 of 40 samples"):
        assert word in out
    _, out, _ = run(capsys, *arguments, "--json")
    report = json.loads(out)
    assert report["samples"] == 40
    assert len(report["cases"]) == 20
    assert report["cases"][0]["group"] == "mild"
    assert report["explanation"][0].startswith("Makes 40 samples")
    assert "did you mean count?" in refused(
        capsys, "plan", "clinic", "--cases", "--set=subjects.learned.cuont=1"
    )
    assert list(tmp_path.iterdir()) == []


def test_schema_is_printed_or_written(capsys, tmp_path) -> None:
    code, out, _ = run(capsys, "schema", "train")
    assert code == 0
    families = json.loads(out)["$defs"]
    assert "discriminator" in families["SpadeTraining"]["properties"]
    assert "augment" in families["LabelVaeTraining"]["properties"]
    file = tmp_path / "render.json"
    assert run(capsys, "schema", "--output", str(file)) == (0, "", "")
    assert "groups" in json.loads(file.read_text())["properties"]
    assert "did you mean render?" in refused(capsys, "schema", "rendr")


def test_render_continues_its_dataset_and_refuses_another_recipe(capsys, model, tmp_path) -> None:
    output = str(tmp_path / "out.zarr")
    arguments = ["render", RECIPE, *small(model), "--serial", "--output", output, "--json"]
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    first = json.loads(out)
    assert first["complete"] is True
    assert first["samples"] == first["rendered"] == 2
    assert Path(first["preview"]).read_bytes().startswith(b"\x89PNG")

    _, out, _ = run(capsys, *arguments)  # again: nothing left to do
    again = json.loads(out)
    assert again["rendered"] == 0
    assert again["digest"] == first["digest"]

    _, out, _ = run(capsys, "plan", RECIPE, *small(model), "--output", output, "--json")
    planned = json.loads(out)
    assert planned["done"] == 2
    assert planned["complete"] is True
    assert planned["digest"] == first["digest"]

    other = refused(capsys, *arguments, "--set=seed=1")
    assert "made by another recipe" in other
    assert "--overwrite" in other
    _, out, _ = run(capsys, "plan", RECIPE, *small(model), "--output", output, "--set=seed=1")
    assert "made by another recipe" in out
    code, out, _ = run(capsys, *arguments, "--set=seed=1", "--overwrite")
    assert code == 0
    assert json.loads(out)["digest"] != first["digest"]

    # the recipe that lies in the dataset makes the same dataset again
    copy = str(tmp_path / "copy.zarr")
    copy_command = ["render", f"{output}/recipe.yaml", "--serial", "--output", copy, "--json"]
    code, out_kept, _ = run(capsys, *copy_command)
    assert code == 0
    assert json.loads(out_kept)["digest"] == json.loads(out)["digest"]

    code, out_inspected, _ = run(capsys, "inspect", copy, "--json")
    inspected = json.loads(out_inspected)
    assert (code, inspected["complete"], inspected["samples"]) == (0, True, 2)
    assert inspected["digest"] == json.loads(out)["digest"]
    picture = tmp_path / "picture.png"
    code, out_inspected, _ = run(capsys, "inspect", copy, "--montage", str(picture))
    assert "complete" in out_inspected
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_other_weights_of_the_same_name_are_not_mixed_in(capsys, model, tmp_path) -> None:
    import shutil

    mine = tmp_path / "mine"
    shutil.copytree(model, mine)
    arguments = ["render", RECIPE, *small(str(mine)), "--serial"]
    arguments += ["--output", str(tmp_path / "o.zarr"), "--json"]
    assert run(capsys, *arguments)[0] == 0
    card = json.loads((mine / "card.json").read_text())
    networks = {
        name: SpadeGenerator(SpadeConfig(**card["config"])) for name in card["orientations"]
    }
    save_model(mine, networks, {k: v for k, v in card.items() if k != "sha256"})
    assert "other weights" in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rendr", "x"), "Did you mean 'render'?"),
        (("render",), "Missing argument 'RECIPE'"),
        (("plan", RECIPE, "--sett", "a=1"), "No such option: --sett"),
        (("plan", RECIPE, "--actors", "0"), "--actors"),
        (("plan", "hydrocephalous"), "did you mean hydrocephalus.yaml?"),
        (("plan", RECIPE, "--set", "subjects.phantom.cuont=1"), "did you mean count?"),
        (("plan", RECIPE, "--set", "appearance.model=nobody"), "nobody: no such model"),
        (("plan", RECIPE, "--set", "subjects={bids: {path: /nowhere}}"), "/nowhere"),
        (("inspect", "/nowhere.zarr"), "/nowhere.zarr"),
        (("train", RECIPE), "family"),
        (("train", "train/fetal-spade", "--set", "subjects.path=/nowhere"), "/nowhere"),
        (("train", "train/fetal-spade", "--set", "subjects.pth=x"), "did you mean path?"),
    ],
)
def test_input_errors_are_one_line_and_exit_2(capsys, model, arguments, says) -> None:
    if "appearance.model=nobody" not in arguments and arguments[0] == "plan":
        arguments = (*arguments, f"--set=appearance.model={model}")
    assert says in refused(capsys, *arguments)


def test_weights_that_do_not_match_their_card_are_refused(capsys, model, tmp_path) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    weights = broken / "axial.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    arguments = ["render", RECIPE, *small(str(broken)), "--serial"]
    message = refused(capsys, *arguments, "--output", str(tmp_path / "o.zarr"), "--json")
    assert "axial.safetensors" in message
    (broken / "card.json").write_text("{")
    assert "card.json" in refused(capsys, "plan", RECIPE, *small(str(broken)))


LABEL = np.ones((20, 20, 20), np.uint8)
GREY = np.ones((20, 20, 20), np.float32)
BROKEN = {
    "image and label of different shape": (LABEL, GREY[:-1], np.eye(4), "shape"),
    "NaN in an image": (LABEL, np.where(np.arange(20) == 3, np.nan, GREY), np.eye(4), "NaN"),
    "singular affine": (LABEL, GREY, np.diag([1.0, 1.0, 0.0, 1.0]), "singular"),
    "label not in the table": (9 * LABEL, GREY, np.eye(4), "label value 9 is not in the mapping"),
    "truncated": (LABEL, None, np.eye(4), "cut short or damaged"),
    "missing": (LABEL, None, np.eye(4), "no image"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_subjects_that_cannot_be_used_are_refused_before_rendering(
    capsys, model, tmp_path, name
) -> None:
    label, image, affine, says = BROKEN[name]
    noise = np.random.Generator(np.random.Philox(1)).random(GREY.shape, np.float32)
    for kind, array in (("dseg", label), ("T2w", noise if image is None else image)):
        header = nib.Nifti1Header()
        header.set_data_dtype(array.dtype)
        header.set_sform(affine, code=1)
        file = nib.Nifti1Image(array, None, header)
        file.to_filename(tmp_path / f"one_{kind}.nii.gz")
    picture = tmp_path / "one_T2w.nii.gz"
    if name == "truncated":
        picture.write_bytes(picture.read_bytes()[:9000])
    if name == "missing":
        picture.unlink()
    patterns = "labels: '{subject}_dseg.nii.gz', images: '{subject}_T2w.nii.gz'"
    arguments = ["render", RECIPE, f"--set=appearance.model={model}", "--json"]
    arguments += [f"--set=subjects={{nifti: {{path: {tmp_path}, {patterns}}}}}"]
    message = refused(capsys, *arguments, "--output", str(tmp_path / "o.zarr"))
    assert says in message
    assert str(tmp_path) in message
    assert not (tmp_path / "o.zarr").exists()


def test_a_file_at_the_place_of_the_dataset_is_refused(capsys, model, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below.zarr"):
        arguments = ["render", RECIPE, *small(model), "--serial", "--output", str(output)]
        assert str(tmp_path / "file") in refused(capsys, *arguments, "--json")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PlanError("memory:\n too little"), 2, "memory: too little"),
        (ShardsFailed("1 shards failed"), 3, "1 shards failed"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/d/x"), 2, "/d/x: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/d"), 2, "/d: Permission denied"),
        (KeyboardInterrupt("stopped: 3 of 20 samples stand"), 130, "3 of 20 samples stand"),
        (KeyboardInterrupt(), 130, "the same command goes on"),
        (ZeroDivisionError("a\nb"), 1, "internal error: ZeroDivisionError: a b (set FACTORY_DEBUG"),
        (UnicodeError("\ud800"), 1, "internal error: UnicodeError: \\ud800"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_exit_code(capsys, monkeypatch, error, code, says) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "plan_report", fails)
    assert says in refused(capsys, "plan", RECIPE, code=code)


def test_help_and_version_are_printed(capsys) -> None:
    for arguments in ((), ("--help",), ("render", "--help")):
        code, out, err = run(capsys, *arguments)
        assert (code, err) == (0, "")
        assert "Usage" in out
    assert run(capsys, "version")[0] == 0


def test_a_gpu_that_is_not_here_is_refused_unless_a_cluster_has_it(capsys, model, tmp_path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    arguments = [f"--output={tmp_path / 'd'}", *small(model)]
    assert "no GPU here" in refused(capsys, "render", RECIPE, "--device=cuda", "--json", *arguments)
    assert not (tmp_path / "d").exists()
