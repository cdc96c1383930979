"""`factory models`: what is installed, one's own by path, and what was tampered with."""

import json
import shutil
from pathlib import Path

import pytest
from support import places

from factory import cli
from factory.families.registry import FAMILIES, TRAINABLE
from factory.lookup import find_recipe
from factory.model_zoo import held_out_headline, list_models

SHIPPED = places.WEIGHTS / "fetal-spade"


def test_the_installed_models_are_listed_a_line_each(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["models"]) == 0
    [line] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("fetal-spade ")]
    card = json.loads((SHIPPED / "card.json").read_text())
    for word in ("spade", card["licence"], "12 subjects, 3 held out", "held-out SSIM 0."):
        assert word in line
    assert "REFUSED" not in line


def test_a_folder_of_ones_own_is_listed_by_path_and_refused_once_changed(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(SHIPPED, own)
    [entry] = list_models([str(own)]).models
    assert entry.usable
    weights = own / "axial.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    report = list_models([str(own)])
    assert not report.models[0].usable
    assert report.lines()[0].endswith("REFUSED")
    assert "axial.safetensors: its sha256 differs" in report.lines()[0]
    weights.unlink()
    assert "axial.safetensors: missing" in list_models([str(own)]).lines()[0]


def test_a_card_that_is_none_is_said_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    assert "not a model card" in list_models([str(tmp_path)]).lines()[0]


def test_an_unknown_model_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "fetal-spad"]) == 2
    error = capsys.readouterr().err
    assert "did you mean fetal-spade" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("family", "rows", "said"),
    [
        ("label_vae", [{"measure": "Dice mean", "model": 0.91}], "held-out Dice 0.910"),
        (
            "segmenter",
            [
                {"subject": "a", "structure": "ventricles", "dice": 0.1},
                {"subject": "mean", "structure": "ventricles", "dice": 0.9},
                {"subject": "mean", "structure": "brainstem", "dice": 0.8},
            ],
            "held-out Dice 0.850",
        ),
        (
            "ultrasound_to_mri",
            [
                {"what": "the ultrasound itself", "deformation": 1.3},
                {"what": "model", "deformation": 0.8},
            ],
            "held-out deformation 0.800",
        ),
        (
            "stylegan2",
            [
                {"against": "training", "fid": 3.0, "kid": 0.01},
                {"against": "held_out", "fid": 12.34, "kid": 0.02},
            ],
            "held-out FID 12.3",
        ),
        ("stylegan2", [{"against": "held_out", "fid": None, "kid": 0.0213}], "held-out KID 0.0213"),
        ("stylegan2", [{"against": "training", "fid": 3.0, "kid": 0.01}], "not scored"),
        (
            "spade",
            [{"version": "class means", "ssim": 0.99}, {"version": "mean", "ssim": 0.5}],
            "held-out SSIM 0.500 (mean)",
        ),
        ("spade", [], "not scored"),
        ("no family of ours", [], "not scored"),
    ],
)
def test_a_model_of_each_family_is_told_by_its_own_score(
    family: str, rows: list[dict], said: str
) -> None:
    assert held_out_headline({"family": family, "metrics": {"held_out": rows}}) == said


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_family_has_a_use_that_names_a_recipe(name: str) -> None:
    assert FAMILIES[name].uses
    for use in FAMILIES[name].uses.values():
        assert find_recipe(use.split()[0]).is_file()
        assert "{}" in use
