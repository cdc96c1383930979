"""Groups with an appearance and an acquisition of their own, in one dataset."""

from pathlib import Path

import numpy as np
import pytest

import factory
from factory.errors import FactoryError, RecipeError
from factory.execution.options import RenderOptions, RunOptions
from factory.planning.explain import explain_recipe

RECIPE = """
seed: 1
subjects: {phantom: {count: 5, gestational_age_weeks: 28}}
groups:
  painted: {share: 40 %, appearance: {model: fetal-spade}}
  random: {share: 40 %, appearance: {contrast: random}}
  scanned: {share: 20 %, appearance: {contrast: t2w}, acquisition: {noise: {snr: 8}}}
output: {path: FOLDER/made.zarr, spacing_mm: 4}
"""


def _load(folder: Path, *overrides: str) -> "factory.Recipe":
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.replace("FOLDER", str(folder)))
    return factory.load_recipe(file, overrides)


@pytest.mark.parametrize("serial", [True, False])
def test_each_group_has_its_look_and_each_sample_says_which(tmp_path, serial):
    recipe = _load(tmp_path)
    options = RenderOptions(run=RunOptions(serial=serial, progress=False))
    factory.render(recipe, options=options)
    dataset = factory.open(str(tmp_path / "made.zarr"))
    looks = dict(zip(dataset.cases["group"], dataset.cases["appearance"], strict=True))
    assert looks == {"painted": "fetal-spade", "random": "contrast", "scanned": "contrast"}
    for row, group in enumerate(dataset.cases["group"]):
        corner = dataset[row].arrays["image"][:4, :4, :4]
        assert (np.std(corner) > 0.01) == (group == "scanned") or group == "random"
    path = str(tmp_path / "made.zarr")
    row = list(dataset.cases["group"]).index("random")
    again = factory.replay(path, row, str(tmp_path / "again.zarr"))
    assert "equal" in "".join(again.lines())
    assert "Group painted: painted by fetal-spade" in "\n".join(explain_recipe(recipe))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("groups.painted.appearance=null", "appearance: missing"),
        (
            "groups.scanned.acquisition={stacks: {thickness_mm: 3, in_plane_mm: 1}}",
            "groups.scanned.acquisition.stacks: stacks of a group; allowed: in the recipe's own",
        ),
        ("groups.random.appearance={contrast: ct}", "Hounsfield units in one of the groups"),
        (
            "groups.random.appearance=original",
            "groups.random.appearance: value original; .*phantom",
        ),
    ],
)
def test_a_mistake_in_a_group_is_one_line(tmp_path, change, words):
    with pytest.raises(RecipeError, match=words):
        _load(tmp_path, change)


def test_groups_with_different_channels_are_refused(tmp_path):
    channels = "{channels: {t1w: {preset: t1w}, t2w: {preset: t2w}}}"
    recipe = _load(tmp_path, f"groups.random.appearance={{contrast: {channels}}}")
    with pytest.raises(FactoryError, match="allowed: the same channels in all groups"):
        factory.plan(recipe)
