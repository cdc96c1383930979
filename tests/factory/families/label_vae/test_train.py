"""The training of the label VAE on small synthetic hearts: workers, resuming, NaN, the card."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.kill_training import Mortal, killed

from factory.config.loading import CheckedDocument, parse_document
from factory.errors import RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RunOptions
from factory.execution.training_job import work
from factory.families.label_vae.data import MapSampler
from factory.families.label_vae.label_maps import subject_maps
from factory.families.label_vae.recipe import LabelVaeTraining
from factory.families.label_vae.train import build_network, kl_weight, train
from factory.models.checkpoint import load_state, read_card
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.training.augmentation import transform_in_plane
from factory.training.recipe import Augment
from factory.training.run import Run, TrainingDiverged

RECIPE = """
family: label_vae
name: small
seed: 3
licence: none
subjects: {{path: {path}, layout: short_axis, hold_out: [P0, P1], spacing_mm: [3.0]}}
shape: [32, 32]
model: {{latent: 4, width: 4, most: 8}}
augment: {{rotate_degrees: 10, zoom: 0.1, shift_voxels: 1}}
learning_rate: 0.003
ema: 0.9
batch: 4
steps: 20
log_every: 4
sample_every: 1000
checkpoint_every: 5
output: {output}
"""
Recipe = Callable[..., CheckedDocument[LabelVaeTraining]]


@pytest.fixture
def recipe(hearts: Path, tmp_path: Path) -> Recipe:
    def make(*overrides: str, output: Path = tmp_path) -> CheckedDocument[LabelVaeTraining]:
        text = RECIPE.format(path=hearts, output=output)
        return parse_document(text, "small.yaml", LabelVaeTraining, overrides)

    return make


def config(recipe: Recipe, output: Path, *overrides: str) -> dict[str, Any]:
    return {
        "recipe": recipe(*overrides, output=output).data,
        "output": str(output),
        "part": "vae",
    }


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)


def on_one_of_two(rank: int, folder: str, settings: dict[str, Any]) -> None:
    work(settings, Run(Path(folder) / "vae", rank, 2, torch.device("cpu")))


def test_two_workers_have_the_same_losses_as_one(
    recipe: Recipe, tmp_path: Path, two_workers: Callable[..., Path]
) -> None:
    one = tmp_path / "one"
    work(config(recipe, one, "log_every=1"), Run(one / "vae"))
    two = two_workers(on_one_of_two, config(recipe, one, "log_every=1"))
    np.testing.assert_allclose(losses(one / "vae"), losses(two / "vae"), rtol=2e-2, atol=1e-3)
    first = losses(one / "vae")[0], losses(two / "vae")[0]
    np.testing.assert_allclose(*first, rtol=1e-4)


def die_at_48_images(settings: dict[str, Any], folder: Path) -> None:
    work(settings, Mortal(folder / "vae", dies_at=48))


def test_a_killed_training_resumes_with_identical_results(recipe: Recipe, tmp_path: Path) -> None:
    uninterrupted, resumed = tmp_path / "a", tmp_path / "b"
    work(config(recipe, uninterrupted), Run(uninterrupted / "vae"))
    killed(die_at_48_images, config(recipe, resumed), resumed)
    work(config(recipe, resumed), Run(resumed / "vae"))

    np.testing.assert_array_equal(losses(uninterrupted / "vae"), losses(resumed / "vae"))
    for name, key in (("checkpoint", "vae"), ("checkpoint", "ema"), ("best", "ema")):
        states = []
        for folder in (uninterrupted, resumed):
            model = build_network(recipe().spec, 4)
            load_state(folder / "vae" / f"{name}.safetensors", {key: model}, {})
            states.append(model.state_dict())
        for weight, tensor in states[0].items():
            torch.testing.assert_close(tensor, states[1][weight], rtol=0, atol=0)


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    spec = recipe("checkpoint_every=1", "log_every=1", "learning_rate=1.0").spec
    label = np.zeros((4, 32, 32), np.uint8)
    label[:, 8:24, 8:24] = 1

    class Spoiling(MapSampler):
        def batch(self, step: int, size: int) -> np.ndarray:
            if step == 3:
                with torch.no_grad():
                    for weight in spoilt:
                        weight.fill_(torch.nan)
            return super().batch(step, size)

    spoilt: list[torch.nn.Parameter] = []
    adam = torch.optim.Adam

    def watched(parameters: Any, *rest: Any) -> torch.optim.Adam:
        spoilt.extend(parameters)
        return adam(spoilt, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "Adam", watched)
        with pytest.raises(TrainingDiverged, match=r"step 4: loss cross_entropy is nan"):
            train(spec, Spoiling(label, Augment(), 1), label, 4, Run(tmp_path / "vae"))
    assert load_state(tmp_path / "vae" / "checkpoint.safetensors", {}, {})["step"] == 3


def test_the_command_trains_scores_and_writes_the_card(recipe: Recipe, tmp_path: Path) -> None:
    changes = ("steps=60", "sample_every=30", "loss.anneal=1")
    folder = launch.train(recipe(*changes), RunOptions(serial=True))
    card = read_card(folder)
    assert card["training"]["subjects"] == [f"P{i}-{p}" for i in range(2, 6) for p in ("ED", "ES")]
    assert card["training"]["held_out"] == ["P0", "P1"]
    assert card["training"]["hours"] >= 0
    start, end = (card["scores"][when]["held_out_loss"] for when in ("start", "end"))
    assert end < 0.5 * start
    measures = {row["measure"]: row for row in card["metrics"]["held_out"]}
    assert 0 <= measures["Dice lv_pool"]["model"] <= 1
    assert measures["prior: all"]["real"] == 1  # the made-up hearts have no fault
    assert str(tmp_path) not in json.dumps(card)
    for file in ("reconstructions.png", "prior.png", "path-0.png", "vae/samples/step-000030.png"):
        assert (tmp_path / file).stat().st_size > 1000


def test_the_shape_alone_selects_a_vae_of_volumes(recipe: Recipe, tmp_path: Path) -> None:
    work(config(recipe, tmp_path, "shape=[8, 32, 32]", "steps=4"), Run(tmp_path / "vae"))
    assert np.isfinite(losses(tmp_path / "vae")).all()


def test_a_training_whose_loss_no_longer_falls_ends_early(recipe: Recipe, tmp_path: Path) -> None:
    still = ("learning_rate=1e-9", "ema=0", "patience=2", "log_every=1", "loss.anneal=0")
    work(config(recipe, tmp_path, *still), Run(tmp_path / "vae"))
    assert load_state(tmp_path / "vae" / "checkpoint.safetensors", {}, {})["step"] < 20


def test_one_phase_of_a_person_cannot_be_held_out_alone(recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="'P0-ED' is not in"):
        launch.train(recipe("subjects.hold_out=[P0-ED]"), RunOptions(serial=True))


def test_the_weight_of_the_kl_divergence_rises_linearly(recipe: Recipe) -> None:
    spec = recipe("steps=100", "loss={beta: 3, anneal: 0.5}").spec
    assert [kl_weight(s, spec) for s in (0, 25, 50, 99)] == pytest.approx([0, 1.5, 3, 3])


def test_augmentation_moves_label_maps_in_plane_and_adds_no_labels(hearts: Path) -> None:
    label = subject_maps(load_subject(list_short_axis_subjects(hearts)[0], 3.0), (8, 32, 32))[0]
    rng = np.random.Generator(np.random.Philox(key=1))
    assert np.array_equal(transform_in_plane(label, Augment(), rng), label)
    turned = transform_in_plane(label, Augment(rotate_degrees=20, zoom=0.2, shift_voxels=2), rng)
    assert not np.array_equal(turned, label)
    assert set(np.unique(turned)) <= set(np.unique(label))
    areas = (label > 0).sum(axis=(1, 2)), (turned > 0).sum(axis=(1, 2))
    assert np.corrcoef(*areas)[0, 1] > 0.98  # slices stay in their places
