"""The training of StyleGAN2-ADA on small pictures: workers, resuming, NaN, snapshots, the card."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from support.kill_training import Mortal, killed

from factory.config.loading import CheckedDocument, parse_document
from factory.errors import RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RunOptions
from factory.families.stylegan2 import FAMILY
from factory.families.stylegan2.data import (
    Batch,
    PlaneSampler,
    find_label_table,
    read_recipe_planes,
    split_by_subject,
)
from factory.families.stylegan2.inference import LatentSampler
from factory.families.stylegan2.job import load_start, network_config
from factory.families.stylegan2.losses import channel_mask
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.families.stylegan2.steps import crosses_multiple
from factory.families.stylegan2.train import build_networks, train
from factory.models.checkpoint import load_state, read_card
from factory.models.stylegan2.network import StyleGanConfig
from factory.training.run import Run, TrainingDiverged

RECIPE = """
family: stylegan2
name: small
seed: 3
licence: none
slices:
  png: {{path: {root}/images, labels: {root}/labels}}
  hold_out: [q0]
  label_blur_pixels: 0
resolution: 8
model: {{latent: 4, mapping_layers: 2, base: 32, most: 4}}
augmentation: {{target: 0.1, kimg: 0.1}}
loss: {{r1: 1, r1_every: 3, path_length_every: 2}}
metrics: {{samples: 16, extractor: "support.toy_features:moments"}}
batch: 4
kimg: 0.048
snapshot_kimg: 0.02
log_every: 2
checkpoint_every: 5
output: {output}
"""
Recipe = Callable[..., CheckedDocument[StyleGanTraining]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five people's squares of 8², brighter where labelled; one slice of each has no label map."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.Generator(np.random.Philox(0))
    (root / "images").mkdir()
    (root / "labels").mkdir()
    for person in range(5):
        for slice_ in range(4):
            label = np.zeros((8, 8), np.uint8)
            y, x = rng.integers(0, 4, 2)
            label[y : y + 4, x : x + 4] = 1 + slice_ % 2
            pixels = (60 + 90 * label + rng.integers(0, 10, label.shape)).astype(np.uint8)
            Image.fromarray(pixels).save(root / "images" / f"q{person}_{slice_}.png")
            if slice_:
                Image.fromarray(label).save(root / "labels" / f"q{person}_{slice_}.png")
    return root


@pytest.fixture
def recipe(pictures: Path, tmp_path: Path) -> Recipe:
    def make(*overrides: str, output: Path = tmp_path) -> CheckedDocument[StyleGanTraining]:
        text = RECIPE.format(root=pictures, output=output)
        return parse_document(text, "small.yaml", StyleGanTraining, overrides)

    return make


def train_in(folder: Path, spec: StyleGanTraining, run: Run | None = None) -> None:
    planes, _ = split_by_subject(
        read_recipe_planes(spec.slices, spec.resolution), spec.slices.hold_out
    )
    table = find_label_table(spec.slices, planes)
    labels = len(table.names) if table else 0
    config = network_config(spec, planes, labels)
    sampler = PlaneSampler(planes, labels, spec.slices, spec.seed)
    train(spec, config, sampler, run or Run(folder), None, lambda *_: None)


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)


def weights(folder: Path, spec: StyleGanTraining) -> dict[str, torch.Tensor]:
    planes = read_recipe_planes(spec.slices, spec.resolution)
    modules = build_networks(spec, network_config(spec, planes, 3)).by_name()
    load_state(folder / "checkpoint.safetensors", modules, {})
    return {f"{n}/{k}": v for n, m in modules.items() for k, v in m.state_dict().items()}


def on_one_of_two(rank: int, folder: str, spec: StyleGanTraining) -> None:
    train_in(Path(folder), spec, Run(Path(folder), rank, 2, torch.device("cpu")))


def test_two_workers_have_the_same_losses_as_one(
    recipe: Recipe, tmp_path: Path, two_workers: Callable[..., Path]
) -> None:
    """Check also r_t, the groups of the minibatch deviation and the path lengths."""
    spec = recipe("log_every=1", "kimg=0.024").spec
    train_in(tmp_path / "one", spec)
    two = two_workers(on_one_of_two, spec)
    one, both = losses(tmp_path / "one"), losses(two)
    np.testing.assert_allclose(one[0], both[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one, both, rtol=2e-2, atol=2e-3)
    assert one[-1, 4] != 0  # the fourth step has taken r_t


def die_at_28_images(folder: Path, spec: StyleGanTraining) -> None:
    train_in(folder, spec, Mortal(folder, dies_at=28))


def test_a_killed_training_resumes_with_identical_results(recipe: Recipe, tmp_path: Path) -> None:
    spec = recipe().spec
    uninterrupted, resumed = tmp_path / "a", tmp_path / "b"
    train_in(uninterrupted, spec)
    killed(die_at_28_images, resumed, spec)
    assert load_state(resumed / "checkpoint.safetensors", {}, {})["step"] == 5
    train_in(resumed, spec)
    np.testing.assert_array_equal(losses(uninterrupted), losses(resumed))
    states = [weights(folder, spec) for folder in (uninterrupted, resumed)]
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=0, atol=0)


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    spec = recipe("log_every=1", "checkpoint_every=1").spec
    planes = read_recipe_planes(spec.slices, 8)

    class Spoilt(PlaneSampler):
        def batch(self, step: int, size: int) -> Batch:
            batch = super().batch(step, size)
            return Batch(batch.channels * (torch.nan if step == 3 else 1), batch.is_labelled)

    sampler = Spoilt(planes, 3, spec.slices, 1)
    with pytest.raises(TrainingDiverged, match=r"step 4: loss discriminator is nan"):
        train(spec, network_config(spec, planes, 3), sampler, Run(tmp_path), None, lambda *_: None)
    assert load_state(tmp_path / "checkpoint.safetensors", {}, {})["step"] == 3


def test_the_command_trains_scores_and_writes_the_card(recipe: Recipe, tmp_path: Path) -> None:
    folder = launch.train(recipe("kimg=0.032"), RunOptions(serial=True))
    card = read_card(folder)
    training = card["training"]
    assert training["subjects"] == ["q1", "q2", "q3", "q4"]
    assert training["held_out"] == ["q0"]
    assert training["slices"] == 16
    assert [row["kimg"] for row in training["scores"]] == [0, 0.02, 0.032]
    assert card["label_table"]["names"] == ["background", "label_1", "label_2"]
    rows = {row["against"]: row for row in card["metrics"]["held_out"]}
    assert list(rows) == ["training", "held_out", "real, split in half"]
    assert rows["training"]["real"] == 16
    assert rows["held_out"]["real"] == 4
    assert all(0 <= row["recall"] <= 1 for row in rows.values())
    assert str(tmp_path) not in json.dumps(card)
    run_folder = tmp_path / "stylegan2"
    assert pd.read_csv(run_folder / "scores.csv")["kimg"].tolist() == [0, 0.02, 0.032]
    best = json.loads((run_folder / "best.json").read_text())
    snapshots = {path.name for path in (run_folder / "snapshots").iterdir()}
    assert snapshots == {f"kimg-{kimg:08.2f}" for kimg in {*best.values(), 0.032}}
    assert training["kimg"] == best["fid"]
    for snapshot in snapshots:  # a snapshot is a model to render with, as the exported one is
        assert LatentSampler(str(run_folder / "snapshots" / snapshot)).table.names == tuple(
            card["label_table"]["names"]
        )
    assert len(list((run_folder / "samples").glob("*.png"))) == 3
    assert "32/32 images" in (run_folder / "progress.log").read_text()
    for name in ("neighbours.png", "scores.png"):
        assert (run_folder / name).stat().st_size > 1000
    config = StyleGanConfig(**card["config"])
    again = load_start(folder, config, build_networks(recipe().spec, config).ema)
    assert not torch.equal(
        again.synthesis.constant, build_networks(recipe().spec, config).ema.synthesis.constant
    )
    with pytest.raises(RecipeError, match=r"start: .* has latent 4, the recipe 6"):
        load_start(folder, replace(config, latent=6), again)


def test_only_slices_with_a_label_map_are_used_to_train_label_maps_alone(
    recipe: Recipe, tmp_path: Path
) -> None:
    folder = launch.train(
        recipe("slices.image=false", "kimg=0.004", "slices.hold_out=[]"), RunOptions(serial=True)
    )
    card = read_card(folder)
    assert card["config"]["image_channels"] == 0
    assert card["training"]["slices"] == 15


def test_label_channels_of_a_slice_without_labels_are_masked(recipe: Recipe) -> None:
    spec = recipe().spec
    planes = read_recipe_planes(spec.slices, 8)
    sampler = PlaneSampler(planes, 3, spec.slices, 1)
    batch = sampler.batch(0, 64)
    without_labels = batch.is_labelled[:, 0, 0, 0] == 0
    assert without_labels.any()
    assert (batch.channels[without_labels, 1:] == 0).all()
    scale = spec.slices.label_scale
    assert set(batch.channels[~without_labels, 1:].unique().tolist()) == {-scale, scale}
    mask = channel_mask(batch.is_labelled, network_config(spec, planes, 3))
    assert mask[:, 0].all()
    assert torch.equal(mask[:, 1] == 0, without_labels[:, None, None])


def test_mirroring_doubles_the_set(recipe: Recipe) -> None:
    plain, mirrored = (
        PlaneSampler(read_recipe_planes(section, 8), 3, section, 1)
        for section in (recipe(f"slices.mirror={on}").spec.slices for on in ("false", "true"))
    )
    assert len(mirrored) == 2 * len(plain)
    assert torch.equal(mirrored.images[len(plain) :], plain.images.flip(-1))


def test_a_fixed_augmentation_probability_stays(recipe: Recipe, tmp_path: Path) -> None:
    train_in(tmp_path, recipe("augmentation.fixed=0.5", "kimg=0.016").spec)
    assert set(losses(tmp_path)[:, 3]) == {0.5}


def test_snapshots_are_taken_at_multiples_of_the_interval() -> None:
    steps = [step for step in range(1, 26) if crosses_multiple(step, 4, 0.02)]
    assert steps == [5, 10, 15, 20, 25]
    assert [step for step in range(1, 10) if crosses_multiple(step, 8, 0.02)] == [3, 5, 8]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("resolution=48", "a power of two from 8 to 1024"),
        ("slices.nifti={path: a, images: b}", "2 sources; allowed: one of short_axis, png"),
        ("augmentation.groups=[blitt]", "did you mean blit"),
        ("augmentation.without=[flip]", "x_flip"),
        ("slices.label_scale=0", "above 0, at most 1"),
        ("metrics.samples=3", "16 to 100000"),
    ],
)
def test_an_invalid_recipe_is_refused_in_one_line(
    recipe: Recipe, override: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        recipe(override)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("slices.image=false", "slices.paired=false"), "nothing would be learnt"),
        (("batch=6", "workers=2"), "a multiple of 4"),
        (("slices.mirror=true", "slices.png.label_names=[air, left_ear, nose]"), "left_ear"),
        (("slices.hold_out=[q9]",), "'q9' is not among q0, q1"),
        (("slices.png.label_names=[air, ear]",), "label 2 has no name"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused_in_one_line(
    recipe: Recipe, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    def check_and_train() -> None:
        spec = recipe(*overrides).spec
        FAMILY.job.check(spec)
        FAMILY.job.work(spec, "stylegan2", Run(tmp_path / "x"))

    with pytest.raises(RecipeError, match=message):
        check_and_train()
