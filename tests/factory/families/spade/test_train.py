"""The training loop on small real networks: workers, resuming, NaN, and the command's output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.kill_training import Mortal, killed

from factory.config.loading import CheckedDocument
from factory.errors import RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RunOptions
from factory.execution.training_job import work
from factory.families.spade.recipe import SpadeTraining
from factory.families.spade.train import build_networks, train
from factory.models.checkpoint import read_card
from factory.training.loop import load_checkpoint
from factory.training.run import Run, TrainingDiverged
from factory.training.schedules import constant_then_linear
from factory.training.slices import SliceSampler, SliceStack

Recipe = Callable[..., CheckedDocument[SpadeTraining]]


def config(recipe: Recipe, output: Path, *overrides: str) -> dict[str, Any]:
    loaded = recipe(*overrides, output=output)
    return {"recipe": loaded.data, "output": str(output), "part": "axial"}


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)


def on_one_of_two(rank: int, folder: str, settings: dict[str, Any]) -> None:
    work(settings, Run(Path(folder) / "axial", rank, 2, torch.device("cpu")))


def test_two_workers_have_the_losses_of_one(
    recipe: Recipe, tmp_path: Path, two_workers: Callable[..., Path]
) -> None:
    """The same global batches, batch statistics and gradients: equal within rounding.

    A low rate, since Adam turns the sign of a gradient that is zero but for rounding into a whole
    step, and those steps add up.
    """
    slow = ("optimiser.lr_generator=1e-4", "optimiser.lr_discriminator=1e-4", "log_every=1")
    one = tmp_path / "one"
    work(config(recipe, one, *slow), Run(one / "axial"))
    two = two_workers(on_one_of_two, config(recipe, one, *slow))
    first, second = losses(one / "axial"), losses(two / "axial")
    np.testing.assert_allclose(first[0], second[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first, second, rtol=3e-2, atol=3e-3)


def die_at_32_images(settings: dict[str, Any], folder: Path) -> None:
    work(settings, Mortal(folder / "axial", dies_at=32))


def test_a_killed_training_goes_on_as_if_undisturbed(recipe: Recipe, tmp_path: Path) -> None:
    undisturbed, resumed = tmp_path / "a", tmp_path / "b"
    work(config(recipe, undisturbed), Run(undisturbed / "axial"))
    killed(die_at_32_images, config(recipe, resumed), resumed)
    work(config(recipe, resumed), Run(resumed / "axial"))

    np.testing.assert_array_equal(losses(undisturbed / "axial"), losses(resumed / "axial"))
    states = []
    for folder in (undisturbed, resumed):
        modules = build_networks(recipe().spec, 8, 0)
        load_checkpoint(folder / "axial", modules)
        states.append(modules["generator"].state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=0, atol=0)


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    label = np.ones((40, 32, 32), np.uint8)
    image = np.zeros((40, 32, 32), np.float32)
    good = SliceSampler([SliceStack(label, image, np.arange(40))], 32, False, seed=1)
    spec = recipe("checkpoint_every=1", "log_every=1").spec

    class Spoiling(SliceSampler):
        def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
            labels, images = good.batch(step, size)
            return labels, images * np.nan if step == 3 else images

    spoilt = Spoiling(good.stacks, 32, False, seed=1)
    run = Run(tmp_path / "axial")
    with pytest.raises(TrainingDiverged, match=r"step 4: loss \w+ is nan"):
        train(spec, "axial", spoilt, good.batch(0, 2), 8, run)
    state = load_checkpoint(tmp_path / "axial", build_networks(spec, 8, 0))
    assert state["step"] == 3


def test_the_command_writes_a_model_that_says_what_it_saw(recipe: Recipe, tmp_path: Path) -> None:
    folder = launch.train(recipe(), RunOptions(serial=True))
    card = read_card(folder)
    assert card["training"]["subjects"] == ["sub-0", "sub-1"]
    assert card["training"]["held_out"] == ["sub-2"]
    assert card["training"]["gestational_age_weeks"] == [24, 28]
    assert card["training"]["rec"] == ["mial"]
    low, high = card["training"]["labels"]["ventricles"]["volume_ml"]
    assert 0 < low < high
    assert card["class_means"][4] > card["class_means"][2]
    assert card["loss_curve"]["axial"][0]["images"] > 0
    assert str(tmp_path) not in json.dumps(card)
    assert (folder / "axial.safetensors").stat().st_size > 1000


def test_a_latent_generator_trains_with_its_encoder(recipe: Recipe, tmp_path: Path) -> None:
    work(config(recipe, tmp_path, "model.latent=4"), Run(tmp_path / "axial"))
    header = (tmp_path / "axial" / "losses.csv").read_text().splitlines()[0]
    assert "kl" in header.split(",")


def test_what_cannot_be_trained_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    for override, message in (
        ("workers=3", "batch 4 cannot be shared evenly by 3 workers"),
        ("subjects.hold_out=[sub-9]", "'sub-9' is not in"),
    ):
        with pytest.raises(RecipeError, match=message):
            launch.train(recipe(override), RunOptions(serial=True))


def test_the_rate_is_constant_then_falls_to_zero() -> None:
    rates = [constant_then_linear(step, constant=4, decay=4) for step in range(9)]
    assert rates[:5] == [1, 1, 1, 1, 1]
    assert rates[5:] == pytest.approx([0.75, 0.5, 0.25, 0])
