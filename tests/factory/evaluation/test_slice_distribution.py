"""A dataset's slices compared with those of a training recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.tiny_stylegan import RECIPE as RENDER
from support.tiny_stylegan import gan

from factory import cli
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.slices import cut_planes

RECIPE = """
family: stylegan2
name: small
seed: 1
licence: none
slices: {{short_axis: {{path: {hearts}, spacing_mm: 3.0}}, hold_out: [P0]}}
resolution: 32
metrics: {{samples: 16, extractor: "support.toy_features:moments"}}
batch: 4
output: {output}
"""


def test_slices_with_labels_are_compared_or_all_if_there_are_none() -> None:
    image = np.random.default_rng(0).random((3, 16, 16))
    label = np.zeros((3, 16, 16), np.uint8)
    assert len(cut_planes("a", image, label, 16)) == 3
    label[1, 4:8, 4:8] = 2
    [plane] = cut_planes("a", image, label, 16)
    np.testing.assert_allclose(plane.image[0], image[1] * 2 - 1, atol=1e-6)
    assert np.array_equal(plane.label, label[1])


def test_a_dataset_is_scored_beside_the_floor_of_real_slices(
    hearts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, against = tmp_path / "r.yaml", tmp_path / "t.yaml"
    file.write_text(RENDER.format(model=gan(tmp_path / "gan"), output=tmp_path / "a.zarr"))
    against.write_text(RECIPE.format(hearts=hearts, output=tmp_path))
    assert cli.main(["render", str(file), "--serial", "--set", "latents.count=6"]) == 0
    assert open_dataset(str(tmp_path / "a.zarr")).layout.samples == 6
    capsys.readouterr()
    command = ["evaluate", "dataset", str(tmp_path / "a.zarr"), "--against", str(against)]
    assert cli.main([*command, "--output", str(tmp_path / "e"), "--json"]) == 0
    rows = {row["against"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert list(rows) == ["training", "held_out", "real, split in half"]
    assert rows["training"]["precision"] < rows["real, split in half"]["precision"]
    assert rows["training"]["kid"] > 0
    assert (tmp_path / "e" / "distribution.csv").is_file()
    assert cli.main(["evaluate", "dataset", "nowhere.zarr", "--against", str(against)]) == 2
    assert cli.main([*command[:3], "--against", "train/cardiac-vae"]) == 2
    assert "family label_vae; --real takes one of spade, stylegan2" in capsys.readouterr().err
