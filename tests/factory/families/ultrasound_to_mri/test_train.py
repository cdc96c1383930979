"""The training of ultrasound to MR on small synthetic heads: workers, resuming, NaN, the card."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from support.ellipsoids import ellipsoid
from support.kill_training import Mortal, killed

from factory.config.loading import CheckedDocument, parse_document
from factory.errors import RecipeError
from factory.execution import training_job as launch
from factory.execution.options import RunOptions
from factory.execution.training_job import work
from factory.families.ultrasound_to_mri.data import UnpairedSampler
from factory.families.ultrasound_to_mri.job import split_head_records
from factory.families.ultrasound_to_mri.methods import METHODS, build_discriminators, build_networks
from factory.families.ultrasound_to_mri.painter import UltrasoundPainter
from factory.families.ultrasound_to_mri.recipe import UltrasoundToMriTraining
from factory.families.ultrasound_to_mri.train import train
from factory.models.checkpoint import load_state, read_card
from factory.models.ultrasound_to_mri.edges import EdgeNet
from factory.training.run import Run, TrainingDiverged

RECIPE = """
family: ultrasound_to_mri
name: small
seed: 3
licence: none
ultrasound: {{path: {heads}, hold_out_every: 3}}
subjects: {{path: {bids}, mapping: feta, hold_out: [sub-2]}}
model: {{width: 2, depth: 2, most: 4}}
discriminator: 2
batch: 2
steps: 8
log_every: 2
sample_every: 1000
checkpoint_every: 3
output: {output}
"""
Recipe = Callable[..., CheckedDocument[UltrasoundToMriTraining]]
PART = "networks"


@pytest.fixture(scope="module")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ellipsoids, as NIfTI in the BIDS layout."""
    root = tmp_path_factory.mktemp("brains")
    for i in range(3):
        subject = ellipsoid((14.0 + i, 20.0 + i, 15.0 + i))
        folder = root / f"sub-{i}" / "anat"
        folder.mkdir(parents=True)
        for kind, volume in (("T2w", subject.image), ("dseg", subject.label)):
            assert volume is not None
            file = nib.Nifti1Image(volume.T.astype(np.int16), subject.grid.affine)
            nib.save(file, folder / f"sub-{i}_rec-mial_{kind}.nii.gz")
    rows = "".join(f"sub-{i}\tNeurotypical\t{24 + i}\n" for i in range(3))
    (root / "participants.tsv").write_text("participant_id\tPathology\tGestational age\n" + rows)
    return root


@pytest.fixture
def recipe(ultrasounds: Path, brains: Path, tmp_path: Path) -> Recipe:
    def make(*overrides: str, output: Path = tmp_path) -> CheckedDocument[UltrasoundToMriTraining]:
        text = RECIPE.format(heads=ultrasounds, bids=brains, output=output)
        return parse_document(text, "small.yaml", UltrasoundToMriTraining, overrides)

    return make


def config(recipe: Recipe, output: Path, *overrides: str) -> dict[str, Any]:
    return {
        "recipe": recipe(*overrides, output=output).data,
        "output": str(output),
        "part": PART,
    }


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1)


def on_one_of_two(rank: int, folder: str, settings: dict[str, Any]) -> None:
    work(settings, Run(Path(folder) / PART, rank, 2, torch.device("cpu")))


def test_two_workers_have_the_same_losses_as_one(
    recipe: Recipe, tmp_path: Path, two_workers: Callable[..., Path]
) -> None:
    one = tmp_path / "one"
    settings = config(recipe, one, "log_every=1")
    work(settings, Run(one / PART))
    two = two_workers(on_one_of_two, settings)
    np.testing.assert_allclose(losses(one / PART), losses(two / PART), rtol=2e-3, atol=1e-4)


def die_at_8_images(settings: dict[str, Any], folder: Path) -> None:
    work(settings, Mortal(folder / PART, dies_at=8))


def test_a_killed_training_resumes_with_identical_results(recipe: Recipe, tmp_path: Path) -> None:
    uninterrupted, resumed = tmp_path / "a", tmp_path / "b"
    work(config(recipe, uninterrupted), Run(uninterrupted / PART))
    killed(die_at_8_images, config(recipe, resumed), resumed)
    assert load_state(resumed / PART / "checkpoint.safetensors", {}, {})["step"] == 3
    work(config(recipe, resumed), Run(resumed / PART))
    np.testing.assert_array_equal(losses(uninterrupted / PART), losses(resumed / PART))
    for name in ("start", "middle", "end"):
        states = []
        for folder in (uninterrupted, resumed):
            model = build_networks(recipe().spec)["generator"]
            load_state(folder / PART / f"{name}.safetensors", {"generator": model}, {})
            states.append(model.state_dict())
        for weight, tensor in states[0].items():
            torch.testing.assert_close(tensor, states[1][weight], rtol=0, atol=0)


def planes(count: int, seed: int) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(key=seed))
    return rng.uniform(-1, 1, (count, 16, 16)).astype(np.float32)


def small_run(spec: UltrasoundToMriTraining, folder: Path) -> Path:
    """Train on noise of 16 × 16 pixels, and return the folder."""
    us, mri = planes(3, 1), planes(5, 2)
    train(spec, UnpairedSampler(us, mri, spec.augment, 1), (us, mri), Run(folder))
    return folder


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    spec = recipe("checkpoint_every=1", "log_every=1").spec
    us, mri = planes(3, 1), planes(5, 2)

    class Spoilt(UnpairedSampler):
        def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
            us, mri = super().batch(step, size)
            return us, np.full_like(mri, np.nan) if step == 3 else mri

    with pytest.raises(TrainingDiverged, match=r"step 4: loss judge_appearance is nan"):
        train(spec, Spoilt(us, mri, spec.augment, 1), (us, mri), Run(tmp_path / PART))
    assert load_state(tmp_path / PART / "checkpoint.safetensors", {}, {})["step"] == 3


ALL = {"reconstruction", "projection", "appearance", "structural", "backward", "bi_latent"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ((), ALL),
        (("loss.structural=false",), ALL - {"structural"}),
        (("loss.bi_latent=false",), ALL - {"bi_latent"}),
        (("model.attention=false",), ALL),
        (("method=autoencoder",), {"reconstruction"}),
        (("method=gan",), {"appearance"}),
        (("method=cyclegan",), {"projection", "mri_cycle", "appearance", "backward"}),
    ],
)
def test_each_ablation_and_baseline_needs_one_setting(
    recipe: Recipe, tmp_path: Path, changes: tuple[str, ...], named: set[str]
) -> None:
    folder = small_run(recipe("steps=2", *changes).spec, tmp_path)
    header = (folder / "losses.csv").read_text().splitlines()[0].split(",")[1:]
    judged = named - {"reconstruction", "projection", "mri_cycle"}
    assert set(header) == named | {f"judge_{name}" for name in judged}
    assert np.isfinite(losses(folder)).all()
    generator = build_networks(recipe(*changes).spec)["generator"]
    assert (generator.attention is None) == (changes != () and "loss" not in changes[0])


def test_the_losses_are_equations_1_to_9(recipe: Recipe) -> None:
    """The comparisons of our method are those of figure 2, computed here from the networks."""
    spec = recipe().spec
    nets, players = build_networks(spec), build_discriminators(spec)
    us, mri = (torch.from_numpy(planes(2, k))[:, None] for k in (1, 2))
    edges = EdgeNet()
    comparisons = METHODS["ours"]({**nets, "edges": edges}, us, mri)
    synthesised, again, y = nets["generator"](us)
    back, y_back = nets["backward"](synthesised)
    for name, (output, target) in {"reconstruction": (again, us), "projection": (back, us)}.items():
        assert torch.equal(comparisons.l1[name][0], output)
        assert torch.equal(comparisons.l1[name][1], target)
    pairs = {
        "appearance": (mri, synthesised),
        "structural": (edges(mri), edges(synthesised)),
        "backward": (us, back),
        "bi_latent": (y, y_back),
    }
    assert comparisons.adversarial.keys() == players.keys() == pairs.keys()
    for name, pair in pairs.items():
        for actual, expected in zip(comparisons.adversarial[name], pair, strict=True):
            assert torch.equal(actual, expected)


def test_a_training_learns_to_reconstruct_the_ultrasound(recipe: Recipe, tmp_path: Path) -> None:
    changes = ("steps=40", "optimiser.lr_generator=0.01", "log_every=1")
    rows = losses(small_run(recipe(*changes).spec, tmp_path))
    assert rows[-5:, 1:3].mean() < 0.7 * rows[:3, 1:3].mean()


def test_the_command_trains_scores_and_writes_the_card(recipe: Recipe, tmp_path: Path) -> None:
    folder = launch.train(recipe("steps=4", "sample_every=2"), RunOptions(serial=True))
    card = read_card(folder)
    assert card["training"]["held_out"] == ["003_HC"]
    assert card["training"]["subjects"] == ["001_HC", "002_2HC", "002_HC", "004_HC", "005_HC"]
    assert card["training"]["mri_subjects"] == ["sub-0", "sub-1"]
    assert any("skull" in line for line in card["limits"])
    assert any("spina bifida" in line for line in card["limits"])
    assert card["scores"].keys() == {"start", "middle", "end"}
    rows = {row["what"]: row["deformation"] for row in card["metrics"]["held_out"]}
    assert rows["real MR, to itself"] == pytest.approx(0, abs=1e-6)
    assert rows["model"] > 0
    assert card["scores"]["end"] > 0
    assert str(tmp_path) not in json.dumps(card)
    assert list(UltrasoundPainter(folder, torch.device("cpu")).card["sha256"]) == [
        "generator.safetensors"
    ]
    for file in ("held_out.png", "networks/samples/step-000002.png", "networks/progress.log"):
        assert (tmp_path / file).stat().st_size > 100


def test_all_ultrasounds_of_a_person_are_held_out_together(recipe: Recipe) -> None:
    training, held_out = split_head_records(recipe("ultrasound.hold_out_every=2").spec.ultrasound)
    assert [r["id"] for r in held_out] == ["002_2HC", "002_HC", "004_HC"]
    assert not {r["person"] for r in held_out} & {r["person"] for r in training}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ultrasound.hold_out_every=1", "holds everybody out"),
        ("ultrasound.circumference_mm=[300, 200]", "smallest, largest"),
        ("method=pix2pix", "autoencoder"),
        ("subjects.layout=short_axis", "allowed: bids"),
        ("model.depth=6", "at most 5"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused_before_the_start(
    recipe: Recipe, change: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        launch.train(recipe(change), RunOptions(serial=True))
