"""The segmenter's training on small phantoms: workers, resuming, NaN, what the card says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.kill_training import Mortal, killed

from factory.config.loading import CheckedDocument, parse_document
from factory.errors import FactoryError, RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RunOptions
from factory.execution.training_job import work
from factory.families.segmenter.job import slice_samplers
from factory.families.segmenter.recipe import SegmenterTraining
from factory.families.segmenter.train import augment_slice, build_network, draw_batch, train
from factory.models.checkpoint import read_card, write_card
from factory.training.data import training_subjects
from factory.training.loop import load_checkpoint
from factory.training.run import Run, TrainingDiverged
from factory.training.slices import SliceSampler

RECIPE = """
family: segmenter
name: small
seed: 3
licence: none
subjects: {{path: {path}, mapping: feta, hold_out: [sub-2], spacing_mm: [4.0]}}
crop: 32
model: {{width: 4}}
augment: {{rotate_degrees: 10, zoom: 0.1, shift_voxels: 1, gamma: 0.1, gain: 0.05, noise: 0.01}}
learning_rate: 0.01
batch: 4
steps: 12
log_every: 3
sample_every: 1000
checkpoint_every: 5
output: {output}
"""
Recipe = Callable[..., CheckedDocument[SegmenterTraining]]


@pytest.fixture
def small(bids: Path, tmp_path: Path) -> Recipe:
    def make(*overrides: str, output: Path = tmp_path) -> CheckedDocument[SegmenterTraining]:
        text = RECIPE.format(path=bids, output=output)
        return parse_document(text, "small.yaml", SegmenterTraining, overrides)

    return make


def config(recipe: Recipe, output: Path, *overrides: str) -> dict[str, Any]:
    data = recipe(*overrides, output=output).data
    return {"recipe": data, "output": str(output), "part": "segmenter"}


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "segmenter" / "losses.csv", delimiter=",", skiprows=1)


def on_one_of_two(rank: int, folder: str, settings: dict[str, Any]) -> None:
    work(settings, Run(Path(folder) / "segmenter", rank, 2, torch.device("cpu")))


def test_two_workers_have_the_losses_of_one(
    small: Recipe, tmp_path: Path, two_workers: Callable[..., Path]
) -> None:
    one = tmp_path / "one"
    settings = config(small, one, "log_every=1", "steps=4", "learning_rate=0.001")
    work(settings, Run(one / "segmenter"))
    two = two_workers(on_one_of_two, settings)
    np.testing.assert_allclose(losses(one)[:, :3], losses(two)[:, :3], rtol=2e-2, atol=1e-3)
    np.testing.assert_allclose(losses(one)[0, :3], losses(two)[0, :3], rtol=1e-4)


def die_at_24_images(settings: dict[str, Any], folder: Path) -> None:
    work(settings, Mortal(folder / "segmenter", dies_at=24))


def test_a_killed_training_goes_on_as_if_undisturbed(small: Recipe, tmp_path: Path) -> None:
    undisturbed, resumed = tmp_path / "a", tmp_path / "b"
    work(config(small, undisturbed), Run(undisturbed / "segmenter"))
    killed(die_at_24_images, config(small, resumed), resumed)
    work(config(small, resumed), Run(resumed / "segmenter"))

    np.testing.assert_array_equal(losses(undisturbed), losses(resumed))
    states = []
    for folder in (undisturbed, resumed):
        model = build_network(small().spec, 8)
        load_checkpoint(folder / "segmenter", {"segmenter": model})
        states.append(model.state_dict())
    for weight, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][weight], rtol=0, atol=0)


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(small: Recipe, tmp_path: Path) -> None:
    spec = small("checkpoint_every=1", "log_every=1").spec
    subjects = training_subjects(spec.subjects, 4.0)

    class Spoiling(SliceSampler):
        def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
            label, image = super().batch(step, size)
            return label, image * (np.nan if step == 3 else 1)

    samplers = [
        Spoiling(one.stacks, one.crop, one.mirror, one.seed)
        for one in slice_samplers(spec, subjects)
    ]
    held_out = samplers[0].batch(0, 2)
    with pytest.raises(TrainingDiverged, match=r"step 4: loss cross_entropy is nan"):
        train(spec, samplers, held_out, 8, Run(tmp_path / "segmenter"))
    assert load_checkpoint(tmp_path / "segmenter", {})["step"] == 3


def test_the_command_trains_scores_and_says_what_it_shares(small: Recipe, tmp_path: Path) -> None:
    judged = tmp_path / "painter"
    judged.mkdir()
    card = {"name": "painter", "family": "spade", "config": {}, "sha256": {}}
    write_card(judged, {**card, "training": {"subjects": ["sub-1", "sub-2", "sub-9"]}})
    changes = ("steps=60", "sample_every=30", f"judges={judged}", "log_every=20")
    folder = launch.train(small(*changes), RunOptions(serial=True))
    card = read_card(folder)
    assert card["training"]["subjects"] == ["sub-0", "sub-1"]
    assert card["training"]["held_out"] == ["sub-2"]
    assert card["training"]["images"] == "real"
    assert card["shared_with"] == {"painter": ["sub-1"]}
    curve = card["loss_curve"]
    assert curve[-1]["cross_entropy"] < 0.7 * curve[0]["cross_entropy"]
    rows = {(r["subject"], r["structure"]): r for r in card["metrics"]["held_out"]}
    assert {"sub-2", "mean"} == {subject for subject, _ in rows}
    assert rows["sub-2", "white_matter"]["dice"] > 0.5
    assert rows["sub-2", "ventricles"]["dice"] <= 1
    assert str(tmp_path / "bids") not in json.dumps(card)
    for file in ("segmenter.png", "segmenter.csv", "segmenter/samples/step-000030.png"):
        assert (tmp_path / file).stat().st_size > 100


def test_a_generator_that_is_not_there_is_told_before_training(small: Recipe) -> None:
    with pytest.raises(FactoryError, match=r"judges: nobody: no such model"):
        launch.train(small("judges=nobody"), RunOptions(serial=True))


def test_stacks_are_segmented_in_the_direction_of_their_slices(small: Recipe, hearts: Path) -> None:
    stacks = (f"subjects={{path: {hearts}, layout: short_axis, hold_out: [P0]}}",)
    with pytest.raises(RecipeError, match="allowed for stacks: axial"):
        launch.train(small(*stacks), RunOptions(serial=True))


def test_batches_follow_from_seed_and_step_and_go_round_the_orientations(small: Recipe) -> None:
    spec = small().spec
    samplers = slice_samplers(spec, training_subjects(spec.subjects, 4.0))
    for step in range(4):
        (label, image), (again, same) = (draw_batch(samplers, step, spec) for _ in range(2))
        np.testing.assert_array_equal(label, again)
        np.testing.assert_array_equal(image, same)
    plain = spec.model_copy(update={"augment": type(spec.augment)()})
    for step in range(4):
        label, image = draw_batch(samplers, step, plain)
        expected = samplers[step % 3].batch(step, spec.batch)
        np.testing.assert_array_equal(label, expected[0])
        np.testing.assert_allclose(image, expected[1], atol=1e-5)


def test_labels_and_image_move_together(small: Recipe) -> None:
    """Of an image that is its own label, the moved image is still the moved label."""
    augment = type(small().spec.augment)(rotate_degrees=30, zoom=0.3, shift_voxels=5)
    label = np.zeros((48, 48), np.uint8)
    label[12:30, 16:36] = 1
    image = np.where(label, 1.0, -1.0).astype(np.float32)
    for i in range(5):
        moved, shown = augment_slice(label, image, augment, (7, i))
        assert not np.array_equal(moved, label)
        assert ((shown > 0) == (moved > 0)).mean() > 0.99
