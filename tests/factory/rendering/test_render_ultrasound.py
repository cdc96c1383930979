"""From a recipe with ultrasounds to a dataset of MR with the head's label."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from factory import cli
from factory.api import load_recipe, plan
from factory.errors import FactoryError
from factory.models.checkpoint import save_model
from factory.models.ultrasound_to_mri.network import UltrasoundToMri, UltrasoundToMriConfig
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.head_frame import LENGTH
from factory.storage.subjects.head_ultrasound import HEAD

RECIPE = """
seed: 1
subjects: {{ultrasound: {{path: {heads}, circumference_mm: [{low}, 400]}}}}
appearance: {{model: {model}}}
output: {{path: {output}, original: true}}
"""


@pytest.fixture(scope="module")
def recipe(ultrasounds: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("render-ultrasound")
    config = {"width": 2, "depth": 2, "most": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UltrasoundToMri(UltrasoundToMriConfig(**config))
    card = {"family": "ultrasound_to_mri", "config": config}
    card["label_table"] = {"names": list(HEAD.names)}
    save_model(root / "model", {"generator": network}, card)
    return RECIPE.format(heads=ultrasounds, model=root / "model", output=root / "us.zarr", low=268)


def run(text: str, folder: Path, *words: str) -> int:
    file = folder / "recipe.yaml"
    file.write_text(text)
    return cli.main(["render", str(file), "--serial", *words])


def test_mr_is_drawn_with_the_head_label_and_the_ultrasound_beside_it(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recipe, tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    dataset = open_dataset(report["path"])
    assert dataset.is_complete()
    assert dataset.layout.table == HEAD
    cases = dataset.cases()
    # 001 is smaller than 268 mm round
    assert sorted(cases["subject"]) == ["002_2HC", "002_HC", "003_HC", "004_HC", "005_HC"]
    sample = dataset.sample(0)
    label, image, us = (sample.arrays[k] for k in ("label", "image", "original"))
    assert label.shape == image.shape == us.shape == (1, 128, 128)
    assert np.ptp(np.flatnonzero(label.any(axis=(0, 2)))) + 1 == LENGTH
    assert us[label == 0].max() == 0 < us[label == 1].mean()
    assert np.ptp(image) > 0.01
    # the head is as long in mm as its outline: half axes of 62 to 70 pixels of 0.8 mm
    lengths = [dataset.sample(i).spacing_mm[1] * LENGTH for i in range(5)]
    np.testing.assert_allclose(sorted(lengths), [99.2, 102.4, 105.6, 108.8, 112], rtol=0.01)


def test_the_same_bytes_again(recipe: str, tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.zarr"
        assert run(recipe, tmp_path, "--output", str(path)) == 0
        digests.append(open_dataset(str(path)).digest())
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("anatomy: [{deform: {warp_mm: 1}}]", "one plane without tissues"),
        ("subjects.phantom={count: 1, gestational_age_weeks: 25}", "allowed: ultrasound alone"),
        ("output.uncertainty=true", "one image only"),
        ("subjects.ultrasound.circumference_mm=[1, 2]", "no head of 1 to 2 mm"),
        ("appearance.mixed_precision=true", "draws in float32 alone; allowed: false"),
        ("subjects.ultrasound.path=nowhere", "not a folder of head ultrasounds"),
    ],
)
def test_what_cannot_be_is_one_line(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: str, said: str
) -> None:
    if "=" in extra:
        code = run(recipe, tmp_path, "--set", extra)
    else:
        code = run(f"{recipe}{extra}\n", tmp_path)
    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_model_of_brains_is_refused(recipe: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe)
    card = {"family": "spade", "config": {}, "sha256": {}}
    (tmp_path / "brains").mkdir()
    (tmp_path / "brains" / "card.json").write_text(json.dumps(card))
    with pytest.raises(FactoryError, match=r"labels: head: the model .* does not know"):
        plan(load_recipe(str(file), {"appearance.model": str(tmp_path / "brains")}))
