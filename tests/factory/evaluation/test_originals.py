"""`factory evaluate dataset --real original`: each sample against its own real image."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.datasets import card, dataset, person, rng

from factory import cli

SHAPE = (16, 20, 18)
REAL = [person(i, SHAPE) for i in range(4)]


def add_noise(image: np.ndarray, sd: float) -> np.ndarray:
    noise = rng(9).normal(0, sd, image.shape)
    return np.clip(image + (image > 0) * noise, 0.01 * (image > 0), 1.2).astype(np.float32)


def run_evaluation(path: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    command = [
        "evaluate",
        "dataset",
        str(path),
        "--real",
        "original",
        "--output",
        str(output),
        "--json",
    ]
    assert cli.main(command) == 0
    report: dict = json.loads(capsys.readouterr().out)
    return report


def test_means_and_deviations_for_each_direction_and_pictures_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = card(tmp_path / "model", ["a", "b"], ["c"])
    images = [add_noise(image, 0.02 * (i + 1)) for i, image in enumerate(REAL)]
    subjects = ["a", "b", "c", "c"]
    dataset(tmp_path / "d.zarr", images, originals=REAL, subjects=subjects, model=model, edits=1)
    report = run_evaluation(tmp_path / "d.zarr", tmp_path / "o", capsys)
    rows = {(r["labels"], r["direction"]): r for r in report["rows"]}
    assert len(rows) == 8
    for direction in ("3D", "sagittal", "coronal", "axial"):
        training, held_out = rows["learnt from", direction], rows["held out", direction]
        assert training["samples"] == held_out["samples"] == 2
        assert 1 > training["corr_mean"] > held_out["corr_mean"] > 0.5
        assert training["ssim_sd"] > 0
        expected = (2 * held_out["ssim_mean"] + held_out["corr_mean"]) / 3
        assert held_out["score_mean"] == pytest.approx(expected)
    remarks = " ".join(report["remarks"])
    assert "1 of 4 samples are edited" in remarks
    assert "data range 1; mask: label > 0" in remarks
    names = {"paired.csv", "paired.md", "paired.png", "profiles-sample-0.png"}
    assert names <= {f.name for f in (tmp_path / "o").iterdir()}
    text = (tmp_path / "o" / "paired.md").read_text()
    assert "±" in text
    assert "subject" in (tmp_path / "o" / "paired.csv").read_text().splitlines()[0]


def test_remarks_name_a_lone_sample_a_constant_image_and_unknown_subjects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = (REAL[0] > 0).astype(np.float32)
    dataset(tmp_path / "d.zarr", [flat], originals=REAL[:1])
    report = run_evaluation(tmp_path / "d.zarr", tmp_path / "o", capsys)
    [volume] = [r for r in report["rows"] if r["direction"] == "3D"]
    assert volume["corr_mean"] is None
    assert volume["mse_mean"] > 0
    assert volume["mse_sd"] is None
    remarks = " ".join(report["remarks"])
    assert "one sample alone" in remarks
    assert "corr left out of 4 of 4 rows: a constant image" in remarks
    assert "no subject is one that the model's card lists" in remarks


def test_a_single_slice_is_scored_in_its_own_plane_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = person(1)
    dataset(tmp_path / "d.zarr", [image], originals=[image])
    [row] = run_evaluation(tmp_path / "d.zarr", tmp_path / "o", capsys)["rows"]
    assert row["direction"] == "axial"
    assert row["ssim_mean"] == pytest.approx(1, abs=1e-3)


def test_a_dataset_without_real_images_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", REAL[:1])
    command = ["evaluate", "dataset", str(tmp_path / "d.zarr"), "--real", "original"]
    assert cli.main(command) == 2
    assert "output.original true" in capsys.readouterr().err
    assert cli.main([*command, "--slices", "2"]) == 2
    assert "need no --extractor or --slices" in capsys.readouterr().err
    heads = write_heads(tmp_path / "heads.zarr")
    assert cli.main(["evaluate", "dataset", heads, "--real", "original"]) == 2
    assert "its originals are ultrasound" in capsys.readouterr().err


def write_heads(path: Path) -> str:
    recipe = {"subjects": {"ultrasound": {"path": "heads"}}}
    return dataset(path, REAL[:1], originals=REAL[:1], recipe=recipe).path
