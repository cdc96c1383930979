"""From a recipe with hearts to a dataset of interpolated ones, by small untrained networks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from factory import cli
from factory.config.loading import parse_document
from factory.errors import RecipeError
from factory.models.checkpoint import save_model
from factory.models.label_vae import LabelVae, LabelVaeConfig
from factory.models.spade.network import SpadeConfig, SpadeGenerator, StyleEncoder
from factory.schema.render_recipe import RenderRecipe
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.short_axis import HEART

RECIPE = """
seed: 1
subjects: {{short_axis: {{path: {hearts}}}}}
interpolate: {{model: {vae}, between: [P0-ED, P1-ED], steps: 2, slices: 6}}
appearance: {{model: {spade}}}
output: {{path: {output}, spacing_mm: 3.0}}
"""


@pytest.fixture(scope="module")
def recipe(hearts: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("render-hearts")
    torch.manual_seed(0)
    vae = {"labels": 4, "shape": [128, 128], "latent": 4, "width": 4, "most": 8}
    save_model(
        root / "vae",
        {"vae": LabelVae(LabelVaeConfig(**vae))},
        {"family": "label_vae", "config": vae},
    )
    sizes = {"labels": 4, "width": 2, "hidden": 4, "latent": 3}
    table = {"names": list(HEART.names)}
    save_model(
        root / "spade",
        {"axial": SpadeGenerator(SpadeConfig(**sizes)), "axial-encoder": StyleEncoder(3, 2)},
        {"family": "spade", "config": sizes, "orientations": ["axial"], "label_table": table},
    )
    places = {"vae": root / "vae", "spade": root / "spade", "output": root / "h.zarr"}
    return RECIPE.format(hearts=hearts, **places)


def test_a_recipe_becomes_a_dataset_of_new_hearts(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "h.yaml"
    file.write_text(recipe)
    assert cli.main(["render", str(file), "--serial", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["samples"] == 2
    dataset = open_dataset(report["path"])
    assert dataset.layout.shape == (6, 128, 128)
    assert dataset.layout.table.names == HEART.names
    first, last = dataset.sample(0), dataset.sample(1)
    # P0 spans 5 slices of 8 mm and P1 6, each brought to 6 slices
    assert first.spacing_mm == pytest.approx([(4 * 8 * 2 / 3 + 5 * 8 / 3) / 5, 3, 3])
    assert last.spacing_mm == pytest.approx([(4 * 8 / 3 + 5 * 8 * 2 / 3) / 5, 3, 3])
    assert not np.array_equal(first.arrays["image"], last.arrays["image"])
    assert "volume_ml_lv_pool" in first.columns
    assert "check: myocardium in one piece" in first.columns
    assert "interpolate/vae.safetensors" in dataset.record["weights"]
    assert cli.main(["plan", str(file), "--explain"]) == 0
    assert "2 new hearts of 6 slices" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("output.original=true", "an interpolated subject has no image"),
        ("output.uncertainty=true", "painted in one direction only"),
        ("subjects.phantom={count: 1, gestational_age_weeks: 25}", "hearts beside brains"),
        ("interpolate.pairs={nearest: 1}", "both between and pairs"),
        ("interpolate.step=3", "did you mean steps"),
    ],
)
def test_what_hearts_cannot_have_is_one_line(recipe: str, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_document(recipe, "h.yaml", RenderRecipe, (override,))
    assert "\n" not in str(caught.value)


def test_only_hearts_are_interpolated(recipe: str) -> None:
    brains = "subjects={phantom: {count: 1, gestational_age_weeks: 25}}"
    with pytest.raises(RecipeError, match=r"allowed: with .*subjects\.short_axis"):
        parse_document(recipe, "h.yaml", RenderRecipe, (brains,))
