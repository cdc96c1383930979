"""What a dataset teaches a segmenter: who is learnt from, who is tested on, and the effects."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from factory import cli
from factory.config.loading import parse_document
from factory.evaluation.downstream import WAYS, summarise_effects, training_samples
from factory.families.segmenter.recipe import SegmenterTraining
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset, open_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, Subject

RECIPE = """\
family: segmenter
name: small
seed: 3
licence: none
subjects: {{path: {path}, mapping: feta, hold_out: [sub-2], spacing_mm: [4.0]}}
orientations: [axial]
crop: 32
model: {{width: 2}}
batch: 2
steps: 3
output: {path}/out
"""
TONES = np.array([0, 0.8, 0.5, 0.6, 0.9, 0.55, 0.5, 0.45], np.float32)


@pytest.fixture(scope="module")
def brains() -> list[Subject]:
    return [phantom(age, i, 4.0) for i, age in enumerate((24.0, 27.0, 32.0))]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, brains: list[Subject]) -> Path:
    """Three brains painted by class, as real ones and as a dataset made of them."""
    root = tmp_path_factory.mktemp("downstream")
    rows = "participant_id\tPathology\tGestational age\n"
    for i, brain in enumerate(brains):
        folder = root / "bids" / f"sub-{i}" / "anat"
        folder.mkdir(parents=True)
        for kind, volume in (("T2w", 1000 * TONES[brain.label]), ("dseg", brain.label)):
            image = nib.Nifti1Image(volume.T.astype(np.int16), brain.grid.affine)
            nib.save(image, folder / f"sub-{i}_rec-mial_{kind}.nii.gz")
        rows += f"sub-{i}\tNeurotypical\t{(24, 27, 32)[i]}\n"
    (root / "bids" / "participants.tsv").write_text(rows)
    (root / "r.yaml").write_text(RECIPE.format(path=root / "bids"))

    shape = tuple(np.max([b.label.shape for b in brains], axis=0).tolist())
    dataset = create_dataset(str(root / "d"), Layout(4, shape, FETA), {"recipe_digest": "r"}, "")
    for index, (who, accepted) in enumerate(
        (("sub-0", True), ("sub-1", True), ("sub-1", False), ("sub-2", True))
    ):
        brain = brains[int(who[-1])]
        room = [(0, n - m) for n, m in zip(shape, brain.label.shape, strict=True)]
        label = np.pad(brain.label, room)
        arrays = {"label": label, "image": TONES[label]}
        columns = {"subject": who, "accepted": accepted}
        sample = StoredSample(
            json.dumps({"id": f"{index}"}), arrays, brain.grid.affine, brain.grid.spacing, columns
        )
        dataset.write_shard(index, index, [sample])
    dataset.seal()
    return root


def spec(root: Path) -> SegmenterTraining:
    return parse_document((root / "r.yaml").read_text(), "r.yaml", SegmenterTraining, ()).spec


def test_samples_that_are_rejected_or_of_held_out_subjects_are_not_learnt_from(root: Path) -> None:
    dataset: Dataset = open_dataset(str(root / "d"))
    subjects, remarks = training_samples(dataset, spec(root), FETA)
    assert [subject.id for subject in subjects] == ["sample-0", "sample-1"]
    assert remarks == [
        "left out: 1 samples that are not accepted, rejected or vacant",
        "1 samples of held-out subjects were left out",
    ]
    np.testing.assert_array_equal(subjects[1].label, dataset.sample(1).arrays["label"])
    assert subjects[1].grid.spacing == (4.0, 4.0, 4.0)


def test_the_command_trains_each_way_and_reports_n_effect_and_interval(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "downstream", str(root / "d"), str(root / "r.yaml")]
    arguments += ["--seeds", "2", "--output", str(tmp_path)]
    assert cli.main([*arguments, "--json"]) == 0
    rows = pd.DataFrame(json.loads(capsys.readouterr().out)["rows"])
    assert set(rows["stratum"]) == {"all", "Neurotypical", "from 28 weeks"}
    assert set(rows["structure"]) == set(FETA.names[1:])
    assert set(rows["n"]) <= {0, 1}
    assert rows["p"].isna().all()
    scores = pd.read_csv(tmp_path / "downstream-scores.csv")
    assert set(scores["subject"]) == {"sub-2"}
    assert set(zip(scores["way"], scores["seed"], strict=True)) == {
        (way, seed) for way in WAYS for seed in (3, 4)
    }
    ventricles = scores[scores["structure"] == "ventricles"].groupby("way")["dice"].mean()
    [row] = rows[
        (rows["stratum"] == "all")
        & (rows["structure"] == "ventricles")
        & (rows["measure"] == "dice")
        & (rows["way"] == "both")
    ].to_dict("records")
    assert row["effect"] == pytest.approx(ventricles["both"] - ventricles["real"])
    # each way has had the same number of slices
    logs = [(tmp_path / f"{way}-3" / "losses.csv").read_text() for way in WAYS]
    assert {log.splitlines()[-1].split(",")[0] for log in logs} == {"6"}

    spade = ["evaluate", "downstream", str(root / "d"), "recipes/train/fetal-spade.yaml"]
    assert cli.main(spade) == 2
    assert "downstream takes one of segmenter" in capsys.readouterr().err


def test_seeds_do_not_count_as_subjects_and_each_stratum_has_its_own(brains: list[Subject]) -> None:
    held_out = [
        Subject(f"s{i}", brains[0].label, brains[0].grid, FETA, None, {"gestational_age_weeks": a})
        for i, a in enumerate((22.0, 25.0, 27.9, 28.0, 30.0, 33.0, 34.0))
    ]
    gain = {"real": 0.0, "synthetic": -0.1, "both": 0.05}
    rows = [
        {
            "way": way,
            "seed": seed,
            "subject": subject.id,
            "structure": "ventricles",
            "dice": 0.7 + gain[way] + 0.01 * i + 0.1 * seed,
            "hausdorff_95_mm": 3.0,
        }
        for way in WAYS
        for seed in (0, 1, 2)
        for i, subject in enumerate(held_out)
    ]
    table = summarise_effects(pd.DataFrame(rows), held_out).set_index(["stratum", "measure", "way"])
    of_all = table.loc[("all", "dice", "both")]
    assert of_all["n"] == 7
    assert of_all["effect"] == pytest.approx(0.05)
    assert of_all["p"] < 0.05
    young, old = (table.loc[(s, "dice", "synthetic")] for s in ("below 28 weeks", "from 28 weeks"))
    assert (young["n"], old["n"]) == (3, 4)
    assert np.isnan(young["p"])
    assert young["effect"] == pytest.approx(-0.1)
    assert table.loc[("all", "hausdorff_95_mm", "both")]["p"] == 1
