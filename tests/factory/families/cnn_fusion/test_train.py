"""The CNN fusion's training loop: it beats the mean; workers, resuming, NaN."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from support.kill_training import Mortal, killed

from factory.config.loading import parse_document
from factory.families.cnn_fusion.crossfit import match_tone
from factory.families.cnn_fusion.data import PaintedPair, VolumePatchSampler, patch_boxes, turn
from factory.families.cnn_fusion.recipe import CnnFusionTraining
from factory.families.cnn_fusion.train import build_network, train
from factory.training.loop import load_checkpoint
from factory.training.run import Run, TrainingDiverged

RECIPE = """
family: cnn_fusion
name: small
seed: 3
licence: none
subjects: {path: nowhere}
spade: {recipe: spade.yaml, model: spade}
model: {width: 4, depth: 3, patch: 8}
batch: 8
niter: 1
niter_decay: 1
log_every: 5
sample_every: 1000
checkpoint_every: 10
output: nowhere
"""


def recipe(*overrides: str) -> CnnFusionTraining:
    return parse_document(RECIPE, "small.yaml", CnnFusionTraining, overrides).spec


def pair(seed: int) -> PaintedPair:
    """A smooth image, and three volumes of it that flicker each along its own axis: x, y, z."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    image = gaussian_filter(rng.random((24, 24, 24)), 2) * 2
    inside = np.zeros(image.shape, bool)
    inside[4:20, 4:20, 4:20] = True
    image *= inside
    flicker = [rng.normal(0, 0.1, [24 if a == axis else 1 for a in range(3)]) for axis in (2, 1, 0)]
    volumes = np.stack([(image + f) * inside for f in flicker])
    return PaintedPair(volumes.astype(np.float16), image.astype(np.float16), inside)


def sampler(*seeds: int) -> VolumePatchSampler:
    return VolumePatchSampler([pair(seed) for seed in seeds], 8, turned=True, seed=1)


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)


def learn(run: Run, *overrides: str) -> None:
    train(recipe(*overrides), sampler(1, 2), sampler(9).batch(0, 16), run)


def test_it_learns_to_beat_the_mean_on_a_volume_it_has_not_seen(tmp_path: Path) -> None:
    learn(Run(tmp_path), "niter=4", "optimiser.lr=0.005")
    held_out = losses(tmp_path)[:, 2]
    assert held_out[-1] < 0.9 * held_out[0]  # it starts as the mean
    assert list((tmp_path / "samples").glob("*.png"))
    assert "patches" in (tmp_path / "progress.log").read_text()


def on_one_of_two(rank: int, folder: str) -> None:
    learn(Run(Path(folder), rank, 2, torch.device("cpu")), "log_every=1")


def test_two_workers_have_the_losses_of_one(
    tmp_path: Path, two_workers: Callable[..., Path]
) -> None:
    learn(Run(tmp_path / "one"), "log_every=1")
    two = two_workers(on_one_of_two)
    np.testing.assert_allclose(losses(tmp_path / "one"), losses(two), rtol=1e-3, atol=1e-6)


def die_at_step_15(folder: Path) -> None:
    learn(Mortal(folder, dies_at=15 * 8))  # five steps after the checkpoint


def test_a_killed_training_goes_on_as_if_undisturbed(tmp_path: Path) -> None:
    undisturbed, resumed = tmp_path / "a", tmp_path / "b"
    learn(Run(undisturbed))
    killed(die_at_step_15, resumed)
    learn(Run(resumed))
    np.testing.assert_array_equal(losses(undisturbed), losses(resumed))
    states = []
    for folder in (undisturbed, resumed):
        cnn = build_network(recipe(), 3)
        load_checkpoint(folder, {"cnn": cnn})
        states.append(cnn.state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=0, atol=0)


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    good = sampler(1)

    class Spoiling(VolumePatchSampler):
        def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            volumes, images, inside = good.batch(step, size)
            return volumes * (np.nan if step == 3 else 1), images, inside

    spec = recipe("checkpoint_every=1", "log_every=1")
    spoilt = Spoiling(good.pairs, 8, True, seed=1)
    with pytest.raises(TrainingDiverged, match="step 4: loss mse is nan"):
        train(spec, spoilt, good.batch(0, 2), Run(tmp_path))
    assert load_checkpoint(tmp_path, {})["step"] == 3


def test_tone_is_taken_off_and_detail_stays() -> None:
    rng = np.random.Generator(np.random.Philox(key=5))
    inside = np.zeros((24, 24, 24), bool)
    inside[3:21, 3:21, 3:21] = True
    painted = rng.random(inside.shape) * inside
    detail = rng.normal(0, 0.1, inside.shape) * inside
    tone = 0.2 * inside
    np.testing.assert_allclose(match_tone(painted + tone, painted, inside, 3), painted, atol=1e-6)
    detail_only = match_tone(painted + tone + detail, painted, inside, 3) - painted
    assert np.corrcoef(detail_only[inside], detail[inside])[0, 1] > 0.98
    assert not detail_only[~inside].any()


def test_a_turned_pair_is_still_stacked_on_the_same_axes() -> None:
    """Each volume of `pair` errs by a number a slice of its orientation: sagittal, the first,
    along x, the last axis; and so it does after any turn."""
    whole = pair(4)
    error = whole.volumes.astype(np.float32) - whole.image
    stacked = PaintedPair(error, whole.image, whole.inside)
    rng = np.random.Generator(np.random.Philox(key=6))
    images = set()
    for _ in range(20):
        turned = turn(stacked, rng)
        assert turned.inside.sum() == whole.inside.sum()
        images.add(turned.image.tobytes())
        for volume, axis in zip(turned.volumes, (2, 1, 0), strict=True):
            inner = np.moveaxis(volume[4:20, 4:20, 4:20], axis, 0)
            assert inner.std(axis=(1, 2)).max() < 2e-3  # float16
            assert inner.std() > 0.03
    assert len(images) > 10


def test_errors_are_made_smaller_and_nothing_else() -> None:
    plain = VolumePatchSampler([pair(4)], 8, turned=False, seed=1)
    eased = VolumePatchSampler([pair(4)], 8, turned=False, seed=1, least_error=0.5)
    (volumes, image, _), (smaller, same, _) = plain.batch(0, 6), eased.batch(0, 6)
    np.testing.assert_array_equal(image, same)
    for before, after, real in zip(volumes, smaller, image, strict=True):
        scale = np.abs(after - real).sum() / np.abs(before - real).sum()
        assert 0.5 <= scale <= 1
        np.testing.assert_allclose(after - real, scale * (before - real), atol=1e-5)


def test_patches_cover_the_tissue_and_follow_from_seed_and_step() -> None:
    covered = np.zeros((24, 17, 8), int)
    for box in patch_boxes(covered.shape, 8):
        covered[box] += 1
    assert covered.min() >= 1
    patches = sampler(1)
    volumes, images, inside = patches.batch(4, 6)
    assert volumes.shape == (6, 3, 8, 8, 8)
    assert images.shape == inside.shape == (6, 8, 8, 8)
    assert inside.any(axis=(1, 2, 3)).all()
    for first, again in zip((volumes, images, inside), sampler(1).batch(4, 6), strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(images, patches.batch(5, 6)[1])
