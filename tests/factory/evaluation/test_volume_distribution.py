"""`factory evaluate dataset`: slices in three directions against real volumes."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from support.datasets import EXTRACTOR, card, dataset, files, person, rng

from factory import cli
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.image_set import Volume
from factory.evaluation.real_images import find_held_out
from factory.evaluation.volume_distribution import cut_slices

SHAPE = (16, 20, 18)
REAL = {f"p{i}": person(i, SHAPE) for i in range(8)}


def run_evaluation(
    dataset_path: Path, real: Path, capsys: pytest.CaptureFixture[str], *more: str, code: int = 0
) -> dict:
    capsys.readouterr()
    command = [
        "evaluate",
        "dataset",
        str(dataset_path),
        "--real",
        str(real),
        "--extractor",
        EXTRACTOR,
    ]
    assert cli.main([*command, "--output", str(dataset_path.parent / "o"), "--json", *more]) == code
    out, err = capsys.readouterr()
    return json.loads(out) if out else {"error": err}


def rows(report: dict) -> dict:
    return {(r["against"], r["direction"]): r for r in report["rows"]}


def test_copies_score_best_and_noise_scores_worst(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = files(tmp_path / "real", REAL)
    dataset(tmp_path / "copies.zarr", list(REAL.values()))
    noise = [np.clip(rng(i).random(SHAPE), 0.1, 1).astype(np.float32) for i in range(8)]
    dataset(tmp_path / "noise.zarr", noise)
    copies = rows(run_evaluation(tmp_path / "copies.zarr", real, capsys, "--slices", "6"))
    bad = rows(run_evaluation(tmp_path / "noise.zarr", real, capsys, "--slices", "6"))
    for direction in ("sagittal", "coronal", "axial"):
        row = copies["training", direction]
        assert row["precision"] == row["recall"] == row["coverage"] == 1
        assert row["made"] == row["real"] == 6 * 8
        assert row["fid"] == pytest.approx(0, abs=1e-3)
        assert bad["training", direction]["fid"] > 10 * row["fid"] + 0.1
        assert bad["training", direction]["kid"] > copies["real, split in half", direction]["kid"]
    three = [copies["training", d]["kid"] for d in ("sagittal", "coronal", "axial")]
    assert copies["training", "mean of three"]["kid"] == pytest.approx(np.mean(three))
    assert (tmp_path / "o" / "distribution.csv").is_file()


def test_several_workers_give_the_same_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = files(tmp_path / "real", {**REAL, "flat": np.full(SHAPE, 0.5, np.float32)})
    dataset(tmp_path / "d.zarr", [person(50, SHAPE), person(51, SHAPE)])
    alone = run_evaluation(tmp_path / "d.zarr", real, capsys, "--slices", "3")
    assert (
        run_evaluation(tmp_path / "d.zarr", real, capsys, "--slices", "3", "--workers", "2")
        == alone
    )
    assert "the image of flat is constant" in " ".join(alone["remarks"])


def test_held_out_people_are_those_that_the_card_does_not_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = card(tmp_path / "model", [f"p{i}" for i in range(6)], ["p6", "p7"])
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)], model=model)
    real = files(tmp_path / "real", REAL)
    report = run_evaluation(tmp_path / "d.zarr", real, capsys, "--slices", "4")
    scores = rows(report)
    assert scores["training", "axial"]["real"] == 3 * scores["held_out", "axial"]["real"]
    assert scores["real, split in half", "axial"]["real"] > 0
    remarks = " ".join(report["remarks"])
    assert "training: KID of subsets of" in remarks
    assert "held_out: KID" in remarks


def test_the_models_card_decides_what_was_held_out_before_the_recipe(tmp_path: Path) -> None:
    model = card(tmp_path / "model", ["p0", "p1"], [])
    generated = GeneratedImages(dataset(tmp_path / "d.zarr", [person(50, SHAPE)], model=model))
    held_out, remarks = find_held_out("a recipe", {"p0", "p1", "p2"}, ["p1"], generated)
    assert held_out == {"p2"}
    assert remarks == [
        "held out are the 1 that the model's card does not list, not those of a recipe"
    ]
    assert find_held_out("a recipe", {"p0", "p1", "p2"}, ["p2"], generated) == ({"p2"}, [])
    assert find_held_out("a recipe", {"q0", "q1"}, ["q1"], generated) == ({"q1"}, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--extractor", "os.path:join"], "extractor os.path:join: TypeError"),
        (["--output", "/proc/nowhere"], "--output /proc/nowhere: "),
        (["--set", "seed=1"], "--set is for a recipe"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)])
    error = run_evaluation(
        tmp_path / "d.zarr", files(tmp_path / "real", REAL), capsys, *options, code=2
    )
    assert message in error["error"]
    assert error["error"].count("\n") == 1


def test_files_that_cannot_be_used_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = files(tmp_path / "real", {**REAL, "flat": np.full(SHAPE, 0.5, np.float32)})
    holes = REAL["p0"].copy()
    holes[8, 8, 8] = np.nan
    files(real, {"holes": holes, "p0_mask": (holes > 0).astype(np.float32)})
    (real / "text.nii.gz").write_text("no volume")
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)])
    report = run_evaluation(tmp_path / "d.zarr", real, capsys, "--slices", "2")
    assert rows(report)["training", "axial"]["real"] == 2 * len(REAL)
    remarks = "\n".join(report["remarks"])
    assert "left out: the image of flat is constant" in remarks
    assert "holes.nii.gz: 1 of 5760 voxels are NaN or infinite" in remarks
    assert "text.nii.gz" in remarks
    assert "is not known, so all are treated as training images" in remarks


def test_real_volumes_are_resampled_to_the_datasets_spacing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same people at half the resolution: their slices are as wide as the dataset's."""
    fine = {n: v.repeat(2, 0).repeat(2, 1).repeat(2, 2) for n, v in REAL.items()}
    real = files(tmp_path / "real", fine, spacing=0.5)
    dataset(tmp_path / "d.zarr", list(REAL.values()))
    scores = rows(run_evaluation(tmp_path / "d.zarr", real, capsys, "--slices", "6"))
    assert scores["training", "axial"]["recall"] > 0.7
    assert scores["training", "axial"]["kid"] < 0  # unbiased, and every image meets its copy


def test_other_labels_serve_as_an_outline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from factory.storage.subjects.short_axis import HEART

    for i in range(3):
        folder = tmp_path / "bids" / f"sub-{i}" / "anat"
        folder.mkdir(parents=True)
        for kind, volume in (("T2w", REAL[f"p{i}"]), ("dseg", (REAL[f"p{i}"] > 0) * 4)):
            file = nib.Nifti1Image(volume.T.astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
            nib.save(file, folder / f"sub-{i}_{kind}.nii.gz")
    (tmp_path / "bids" / "dseg.tsv").write_text("index\tname\n0\tbackground\n4\tventricles\n")
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)], table=HEART)
    report = run_evaluation(tmp_path / "d.zarr", tmp_path / "bids", capsys, "--slices", "2")
    [remark] = [line for line in report["remarks"] if line.startswith("other labels")]
    assert "ventricles" in remark


def test_one_real_person_has_no_floor_and_a_remark_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)])
    report = run_evaluation(
        tmp_path / "d.zarr", files(tmp_path / "real", {"p": REAL["p0"]}), capsys
    )
    assert {r["against"] for r in report["rows"]} == {"training"}
    assert "no floor: one subject alone (p)" in " ".join(report["remarks"])


@pytest.mark.parametrize("real", ["empty", "nowhere", "hydrocephalus", "train/cardiac-vae"])
def test_what_is_no_set_of_images_is_refused_in_one_line(
    real: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)])
    name = str(tmp_path / real) if real == "empty" else real
    error = run_evaluation(tmp_path / "d.zarr", Path(name), capsys, code=2)["error"]
    assert error.count("\n") == 1
    reasons = {"empty": "no images; allowed", "nowhere": "no such recipe"}
    assert (
        reasons.get(real, "phantom is not real" if "hydro" in real else "family label_vae") in error
    )


def test_only_a_few_of_many_files_that_are_no_images_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)])
    (tmp_path / "junk").mkdir()
    for number in range(20):
        (tmp_path / "junk" / f"sub-{number:02d}.nii.gz").write_text("no image")
    error = run_evaluation(tmp_path / "d.zarr", tmp_path / "junk", capsys, code=2)["error"]
    assert "sub-00.nii.gz: not a NIfTI file" in error
    assert error.rstrip().endswith("and 18 more)")


def test_features_that_are_not_finite_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [person(50, SHAPE)])
    command = ["--extractor", "support.toy_extractor:not_finite"]
    real = files(tmp_path / "real", REAL)
    assert (
        "not finite" in run_evaluation(tmp_path / "d.zarr", real, capsys, *command, code=2)["error"]
    )


def test_slices_are_cut_with_their_tissue_in_the_centre() -> None:
    image = np.zeros((4, 20, 20), np.float32)
    image[1:3, 2:8, 12:18] = 0.6
    planes = cut_slices(Volume("a", "a", image, image > 0), "axial", 12, 10)
    assert planes.shape == (2, 1, 12, 12)
    bright = planes[0, 0] > -0.5
    assert bright[3:9, 3:9].all()
    assert bright.sum() == 36
    assert planes.min() == -1
    np.testing.assert_allclose(planes.max(), 0, atol=1e-6)
    assert len(cut_slices(Volume("a", "a", image, image > 0), "coronal", 12, 3)) == 3
