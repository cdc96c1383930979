"""Damage is found and repaired with the same bytes."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three samples, two a shard."""
    folder = tmp_path_factory.mktemp("upkeep")
    options = [*small(tiny_model(folder / "tiny")), "--set=output.samples_per_shard=2"]
    options += ["--set=anatomy.0.ventriculomegaly.grade={each: [0, 1, 4]}"]
    out = str(folder / "d.zarr")
    assert cli.main(["render", RECIPE, *options, "--serial", "--output", out, "--json"]) == 0
    return Path(out)


@pytest.fixture
def dataset(rendered: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(rendered, tmp_path / "d.zarr"))


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    code = cli.main([*arguments, "--json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, json.loads(captured.out)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_verify_reads_a_sound_dataset(capsys, rendered) -> None:
    code, report = ran(capsys, "verify", str(rendered))
    assert (code, report["damage"], report["samples"]) == (0, [], 3)
    assert report["bytes"] == sum(map(len, files(rendered).values()))


def test_verify_names_any_object_with_a_flipped_byte(capsys, dataset) -> None:
    rng = np.random.Generator(np.random.Philox(11))
    for key, original_bytes in files(dataset).items():
        place = int(rng.integers(len(original_bytes)))
        changed = bytes([original_bytes[place] ^ int(rng.integers(1, 256))])
        (dataset / key).write_bytes(original_bytes[:place] + changed + original_bytes[place + 1 :])
        code, report = ran(capsys, "verify", str(dataset))
        (dataset / key).write_bytes(original_bytes)
        assert code == 3
        assert [(damage["key"], damage["what"]) for damage in report["damage"]] == [
            (key, "damaged")
        ]


@pytest.mark.parametrize(
    ("keys", "shards"),
    [
        (["image/c/1/0/0/0"], [1]),
        (["label/c/0/0/0/0", "ledger/00000000-*"], [0]),
        (["record.json", "cases.parquet", "affine/c/0/0/0"], []),
        (["seal/0001.json", "zarr.json", "recipe.yaml"], []),
    ],
)
def test_repair_makes_the_same_bytes_again(capsys, dataset, keys, shards) -> None:
    before = files(dataset)
    damaged = [file for key in keys for file in dataset.glob(key)]
    for file in damaged:
        flip(file)
    code, report = ran(capsys, "verify", str(dataset))
    assert code == 3
    hidden = {
        "ledger/00000000-*": {"label/c/0/0/0/0"},  # what an entry or a seal says of others,
        "seal/0001.json": {"zarr.json", "recipe.yaml"},  # nobody can say when it is damaged
    }
    named = {str(file.relative_to(dataset)) for file in damaged}
    for key in keys:
        named -= hidden.get(key, set())
    assert {damage["key"] for damage in report["damage"]} == named
    assert report["shards"] == shards
    code, report = ran(capsys, "repair", str(dataset), "--serial")
    assert (code, report["repaired"]) == (0, len(shards))
    assert files(dataset) == before
    assert ran(capsys, "verify", str(dataset))[0] == 0


def test_repair_renders_missing_objects_again(capsys, dataset) -> None:
    before = files(dataset)
    shutil.rmtree(dataset / "image/c/0")
    (dataset / "label/zarr.json").unlink()
    _, report = ran(capsys, "verify", str(dataset))
    assert [(damage["what"], damage["shard"]) for damage in report["damage"]] == [
        ("missing", None),
        ("missing", 0),
    ]
    assert ran(capsys, "repair", str(dataset), "--serial")[0] == 0
    assert files(dataset) == before


def test_verify_lists_the_damage_as_text(capsys, dataset) -> None:
    flip(dataset / "image/c/1/0/0/0")
    assert cli.main(["verify", str(dataset)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shard 1: image/c/1/0/0/0 damaged"
    assert "1 damaged or missing, in 1 shards" in lines[1]
    assert lines[2].endswith(f"factory repair {dataset}")


def test_repair_with_other_weights_is_refused(capsys, dataset) -> None:
    """The model is looked for where the recipe says, and must be the one it was."""
    flip(dataset / "image/c/1/0/0/0")
    record = json.loads((dataset / "record.json").read_text())
    model = Path(record["recipe"]["resolved"]["appearance"]["model"])
    moved = model.with_name("kept")
    model.rename(moved)
    try:
        assert cli.main(["repair", str(dataset), "--serial"]) == 2
        assert "no such model" in capsys.readouterr().err
        shutil.copytree(moved, model)
        card = json.loads((model / "card.json").read_text())
        card["sha256"] = dict.fromkeys(card["sha256"], "0" * 64)
        (model / "card.json").write_text(json.dumps(card))
        assert cli.main(["repair", str(dataset), "--serial"]) == 2
        assert "other weights" in capsys.readouterr().err
    finally:
        shutil.rmtree(model, ignore_errors=True)
        moved.rename(model)


def test_repair_is_refused_while_another_driver_is_at_work(capsys, dataset) -> None:
    lease = {"host": "elsewhere", "process": 7, "started": 0.0, "renewed": time.time()}
    (dataset / "lease.json").write_text(json.dumps(lease))
    again = ["render", str(dataset / "recipe.yaml"), "--serial", "--output", str(dataset)]
    assert cli.main([*again, "--json"]) == 2
    error = capsys.readouterr().err
    assert "process 7 on elsewhere is at work on it" in error
    assert error.count("\n") == 1
    code, report = ran(capsys, *again, "--beside")
    assert (code, report["rendered"], report["complete"]) == (0, 0, True)
    assert json.loads((dataset / "lease.json").read_text()) == lease
