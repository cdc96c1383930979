"""`factory train` for the CNN fusion: folds, what they have not seen, the card, and a rendering."""

import json
from pathlib import Path

import numpy as np
import pytest

from factory.api import load_recipe, plan, render
from factory.config.loading import CheckedDocument, load_document
from factory.errors import FactoryError, RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RenderOptions, RunOptions
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.spade.recipe import SpadeTraining
from factory.models.checkpoint import read_card, write_card
from factory.storage.dataset.open import open_dataset

SERIAL = RenderOptions(run=RunOptions(serial=True, progress=False))
SPADE = """
family: spade
name: {name}
seed: 3
licence: none
subjects: {{path: {path}, mapping: feta, hold_out: [sub-2], spacing_mm: [6.0]}}
orientations: [sagittal, axial]
crop: 32
model: {{width: 2, hidden: 4}}
discriminator: {{width: 4, scales: 1}}
loss: {{reconstruction: 5}}
batch: 4
niter: 1
output: {output}
"""

FUSION = """
family: cnn_fusion
name: small-fusion
seed: 3
licence: none
subjects: {{path: {path}, mapping: feta, hold_out: [sub-2], spacing_mm: [6.0]}}
spade: {{recipe: {spade}, model: {model}, folds: 2}}
model: {{width: 4, depth: 2, patch: 8}}
batch: 8
niter: 2
output: {output}
"""

RENDER = """
seed: 1
subjects: {{phantom: {{count: 1, gestational_age_weeks: 27}}}}
appearance: {{model: {model}, fuse: {{cnn: {fusion}}}}}
output: {{path: {output}, spacing_mm: 4}}
"""


def spade(folder: Path, bids: Path, name: str) -> Path:
    recipe = folder / f"{name}.yaml"
    recipe.write_text(SPADE.format(name=name, path=bids, output=folder / name))
    return recipe


def fusion(
    folder: Path, bids: Path, recipe: Path, model: Path
) -> CheckedDocument[CnnFusionTraining]:
    file = folder / "fusion.yaml"
    text = FUSION.format(path=bids, spade=recipe, model=model, output=folder / "fusion")
    file.write_text(text)
    return load_document(file, CnnFusionTraining)


@pytest.fixture(scope="module")
def trained(bids: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SPADE model, small/model, and its fusion, fusion/model."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = spade(folder, bids, "small")
    model = launch.train(load_document(recipe, SpadeTraining), RunOptions(serial=True))
    launch.train(fusion(folder, bids, recipe, model), RunOptions(serial=True))
    return folder


def test_each_subject_is_painted_by_the_fold_that_has_not_seen_it(trained: Path) -> None:
    """The younger is held out by the second fold, the older by the first."""
    output = trained / "fusion"
    for fold, trained_on in (("fold-1", ["sub-0"]), ("fold-2", ["sub-1"])):
        assert read_card(output / fold / "model")["training"]["subjects"] == trained_on
    assert {p.name for p in (output / "volumes").iterdir()} == {
        f"sub-{i}_6mm.safetensors" for i in range(3)
    }


def test_the_card_says_what_it_was_trained_on_and_how_well(trained: Path) -> None:
    card = read_card(trained / "fusion" / "model")
    assert card["family"] == "cnn_fusion"
    assert card["spade"]["name"] == "small"
    assert card["spade"]["sha256"] == read_card(trained / "small" / "model")["sha256"]
    training = card["training"]
    assert training["subjects"] == ["sub-0", "sub-1"]
    assert training["held_out"] == ["sub-2"]
    assert training["unseen_by_fold"] == {"fold-1": ["sub-1"], "fold-2": ["sub-0"]}
    assert set(training["scores"]) == {"start", "middle", "end"}
    assert training["scores"]["start"]["images"] == 0
    assert str(trained) not in json.dumps(card)
    rows = card["metrics"]["held_out"]
    assert [row["version"] for row in rows] == ["mean", "cnn"]
    assert all(np.isfinite(row["psnr"]) for row in rows)
    assert (trained / "fusion" / "profiles-sub-2.png").stat().st_size > 10_000


def test_a_fold_that_has_learnt_from_what_it_is_to_paint_is_refused(
    trained: Path, bids: Path, tmp_path: Path
) -> None:
    """Two folds that have changed places."""
    recipe, model = trained / "small.yaml", trained / "small" / "model"
    loaded = fusion(tmp_path, bids, recipe, model)
    for fold, other in (("fold-1", "fold-2"), ("fold-2", "fold-1")):
        (tmp_path / "fusion" / fold).mkdir(parents=True)
        (tmp_path / "fusion" / fold / "model").symlink_to(trained / "fusion" / other / "model")
    with pytest.raises(FactoryError, match="has learnt from sub-1") as caught:
        launch.train(loaded, RunOptions(serial=True))
    assert "\n" not in str(caught.value)


def test_one_fold_is_a_demonstration_that_says_so(
    trained: Path, bids: Path, tmp_path: Path
) -> None:
    """No cross-fitting: the model paints the subjects that it has learnt from."""
    recipe, model = trained / "small.yaml", trained / "small" / "model"
    file = Path(fusion(tmp_path, bids, recipe, model).source)
    folder = launch.train(
        load_document(file, CnnFusionTraining, ["spade.folds=1"]), RunOptions(serial=True)
    )
    card = read_card(folder)
    assert card["training"]["same_subject"] is True
    assert card["training"]["unseen_by_fold"] == {}
    assert read_card(trained / "fusion" / "model")["training"]["same_subject"] is False
    assert {p.name for p in (tmp_path / "fusion").iterdir() if p.name.startswith("fold")} == set()


def test_a_recipe_renders_with_it(trained: Path, tmp_path: Path) -> None:
    model, network = trained / "small" / "model", trained / "fusion" / "model"
    file = tmp_path / "render.yaml"
    file.write_text(RENDER.format(model=model, fusion=network, output=tmp_path / "a.zarr"))
    dataset = open_dataset(render(str(file), options=SERIAL).dataset.path)
    assert any(name.startswith("fusion/") for name in dataset.record["weights"])

    mean = ["appearance.fuse=mean"]
    render(load_recipe(str(file), mean), output=str(tmp_path / "b.zarr"), options=SERIAL)
    images = [np.asarray(open_zarr(tmp_path / name)["image"][0]) for name in ("a.zarr", "b.zarr")]
    difference = np.abs(images[0].astype(float) - images[1]).max() / 65535
    assert 0 < difference < 1

    plain = plan(load_recipe(str(file), mean))
    planned = plan(str(file))
    assert planned.memory_per_actor > plain.memory_per_actor
    assert planned.seconds_per_sample > plain.seconds_per_sample


def open_zarr(path: Path):
    import zarr

    return zarr.open(path, mode="r")


def test_what_is_no_fusion_of_this_model_is_refused_in_one_line(
    trained: Path, tmp_path: Path
) -> None:
    model, network = trained / "small" / "model", trained / "fusion" / "model"
    other, fold = tmp_path / "other", tmp_path / "retrained"
    write_card(other_folder(other), {**read_card(model), "name": "another"})
    write_card(other_folder(fold), {**read_card(model), "sha256": {"axial.safetensors": "0"}})
    cases = [
        (model, model, "family 'spade'; allowed: 'cnn_fusion'"),
        (other, network, "fuses what small paints; appearance.model is another"),
        (model, tmp_path / "nothing", "appearance.fuse.cnn: .*no such model"),
    ]
    file = tmp_path / "render.yaml"
    for painter, fuser, message in cases:
        file.write_text(RENDER.format(model=painter, fusion=fuser, output=tmp_path / "c.zarr"))
        with pytest.raises(FactoryError, match=message) as caught:
            plan(str(file))
        assert "\n" not in str(caught.value)
    file.write_text(RENDER.format(model=fold, fusion=network, output=tmp_path / "c.zarr"))
    assert "other weights of small" in " ".join(plan(str(file)).warnings)


def other_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_what_cannot_be_trained_is_refused(trained: Path, bids: Path, tmp_path: Path) -> None:
    recipe, model = trained / "small.yaml", trained / "small" / "model"
    file = Path(fusion(tmp_path, bids, recipe, model).source)
    for override, message in (
        ("spade.folds=3", "spade.folds: 3 blocks of 2 subjects; allowed: at most 2"),
        ("subjects.hold_out=[sub-0]", "has learnt from sub-0"),
        (f"spade.model={trained / 'fusion' / 'model'}", "family 'cnn_fusion'"),
        ("workers=3", "batch 8 cannot be shared evenly"),
    ):
        with pytest.raises(RecipeError, match=message):
            launch.train(
                load_document(file, CnnFusionTraining, [override]), RunOptions(serial=True)
            )


@pytest.mark.parametrize(
    ("fuse", "message"),
    [
        ("{cnn: a, reject_outliers: {m: 1}}", "allowed: one of reject_outliers, cnn"),
        ("{}", "allowed: one of reject_outliers, cnn"),
        ("{ccn: a}", "did you mean cnn"),
        ("median", "{cnn: MODEL}"),
    ],
)
def test_other_ways_of_fusing_are_told_what_is_allowed(
    fuse: str, message: str, tmp_path: Path
) -> None:
    text = RENDER.format(model="fetal-spade", fusion="x", output=tmp_path / "d.zarr")
    (tmp_path / "r.yaml").write_text(text.replace("{cnn: x}", fuse))
    with pytest.raises(RecipeError) as caught:
        plan(str(tmp_path / "r.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
