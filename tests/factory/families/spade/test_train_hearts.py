"""SPADE trained on short-axis stacks: what it learns from, its style encoder, and its scores."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from factory.config.loading import CheckedDocument, parse_document
from factory.errors import RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RunOptions
from factory.families.spade.recipe import SpadeTraining
from factory.families.spade.slice_painter import SlicePainter
from factory.models.checkpoint import read_card
from factory.training.slices import SliceSampler, SliceStack

RECIPE = """
family: spade
name: small
seed: 3
licence: none
subjects: {{path: {path}, layout: short_axis, hold_out: [P0, P1], spacing_mm: [3.0]}}
orientations: [axial]
crop: 64
model: {{width: 2, hidden: 4, latent: 3}}
discriminator: {{width: 4, scales: 1}}
loss: {{reconstruction: 5}}
batch: 4
niter: 0
niter_decay: 1
log_every: 5
output: {output}
"""


@pytest.fixture
def recipe(hearts: Path, tmp_path: Path) -> Callable[..., CheckedDocument[SpadeTraining]]:
    def make(*overrides: str) -> CheckedDocument[SpadeTraining]:
        return parse_document(
            RECIPE.format(path=hearts, output=tmp_path), "small.yaml", SpadeTraining, overrides
        )

    return make


def test_a_model_of_hearts_has_its_encoder_and_scores_in_two_styles(
    recipe: Callable[..., CheckedDocument[SpadeTraining]],
) -> None:
    folder = launch.train(recipe(), RunOptions(serial=True))
    card = read_card(folder)
    assert len(card["training"]["subjects"]) == 8
    assert {row["style"] for row in card["metrics"]["held_out"]} == {
        "its own",
        "mean",
        "class means",
    }
    painter = SlicePainter(folder, torch.device("cpu"))
    assert painter.style_from(1).shape == (3,)
    assert (folder.parent / "held_out.png").stat().st_size > 1000


def test_directions_in_which_slices_are_thick_are_refused(
    recipe: Callable[..., CheckedDocument[SpadeTraining]],
) -> None:
    with pytest.raises(RecipeError, match="allowed for stacks: axial"):
        launch.train(recipe("orientations=[axial, coronal]"), RunOptions(serial=True))


def test_a_plane_of_the_crops_size_is_taken_whole() -> None:
    label = np.zeros((1, 32, 32), np.uint8)
    label[:, 10:14, 20:24] = 1
    image = np.arange(1024, dtype=np.float32).reshape(1, 32, 32)
    sampler = SliceSampler([SliceStack(label, image, np.array([0]))], 32, mirror=False, seed=1)
    for step in range(3):
        assert np.array_equal(sampler.batch(step, 1)[1], image)
