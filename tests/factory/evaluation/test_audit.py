"""The audit catches a generator that memorises on purpose, and passes an honest one."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from support.datasets import EXTRACTOR, card, dataset, files, person, rng

from factory import cli
from factory.evaluation.audit import membership_score, roc_area

TRAINING, HELD_OUT, SAMPLES = 12, 6, 8


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files(
        tmp_path_factory.mktemp("people"),
        {f"p{i:02}": person(i) for i in range(TRAINING + HELD_OUT)},
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    names = [f"p{i:02}" for i in range(TRAINING + HELD_OUT)]
    return card(tmp_path / "model", names[:TRAINING], names[TRAINING:])


def disguise(image: np.ndarray, seed: int) -> np.ndarray:
    """Return a copy: darker, noisy, rotated, shifted, every other one mirrored."""
    draw = rng(seed)
    copy = ndimage.rotate(image[0], draw.uniform(-8, 8), reshape=False, order=1)
    copy = ndimage.shift(copy, draw.uniform(-2, 2, 2), order=1)
    copy = 0.7 * copy + (copy > 0.05) * draw.normal(0, 0.02, copy.shape)
    return np.clip(copy[None, :, :: -1 if seed % 2 else 1], 0, 1.2).astype(np.float32)


def run_audit(
    dataset_path: Path, real: Path, output: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, dict]:
    command = [
        "evaluate",
        "audit",
        str(dataset_path),
        "--real",
        str(real),
        "--extractor",
        EXTRACTOR,
    ]
    code = cli.main([*command, "--output", str(output), "--json", *more])
    out, err = capsys.readouterr()
    assert err.count("\n") <= 1
    return code, json.loads(out) if out else {"error": err}


def test_a_generator_that_memorises_is_caught(
    people: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = [disguise(person(i), i) for i in range(SAMPLES)]
    dataset(tmp_path / "d.zarr", copies, model=model)
    code, report = run_audit(tmp_path / "d.zarr", people, tmp_path, capsys, "--fail-above", "0.5")
    assert code == 3
    assert report["share"] > 0.9
    strata = {row["what"]: row for row in report["rows"]}
    assert strata["samples of new labels"]["close_in_pixels"] > 0.9
    assert strata["held-out real images"]["close_in_pixels"] < 0.4
    score = report["membership"]["pixels"]
    assert score["area"] > 0.75
    assert score["low"] > 0.5
    lines = (tmp_path / "audit.csv").read_text().splitlines()
    names_original = [f",p{i:02}," in line for i, line in enumerate(lines[1:])]
    assert sum(names_original) >= SAMPLES - 1
    for name in ("audit-pairs.png", "audit-distances.png", "audit-strata.csv"):
        assert (tmp_path / name).is_file()


def test_an_honest_generator_is_not_caught(
    people: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [person(500 + i) for i in range(SAMPLES)], model=model)
    code, report = run_audit(tmp_path / "d.zarr", people, tmp_path, capsys, "--fail-above", "0.5")
    assert code == 0
    assert report["share"] < 0.4
    score = report["membership"]["pixels"]
    assert score["low"] < 0.5 < score["high"]


def test_renders_of_training_labels_and_of_new_ones_are_told_apart(
    people: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = [disguise(person(i), i) for i in range(3)]
    fresh = [person(900 + i) for i in range(3)]
    subjects = ["p00", "p01", "p02", "x", "y", "z"]
    dataset(tmp_path / "d.zarr", copies + fresh, subjects=subjects, model=model)
    _, report = run_audit(tmp_path / "d.zarr", people, tmp_path, capsys)
    strata = {row["what"]: row for row in report["rows"]}
    assert strata["samples of training labels"]["close_in_pixels"] == 1
    assert strata["samples of new labels"]["close_in_pixels"] < 1
    assert "no sample of held-out labels" in report["remarks"]


def test_one_sample_of_an_unknown_model_is_audited_with_remarks_on_what_is_missing(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [disguise(person(4), 4)])
    code, report = run_audit(tmp_path / "d.zarr", people, tmp_path, capsys)
    assert code == 0
    assert report["share"] == 1
    assert report["membership"] is None
    remarks = " ".join(report["remarks"])
    assert "which images the model learnt from is not known" in remarks
    assert "no membership score" in remarks


def test_volumes_are_aligned_in_three_dimensions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = (14, 18, 16)
    bodies = {f"p{i}": person(i, shape) for i in range(6)}
    copies = [ndimage.shift(bodies[f"p{i}"], (1, -1, 1), order=1) for i in (2, 4)]
    dataset(tmp_path / "d.zarr", [np.clip(c, 0, 1.2) for c in copies])
    _, report = run_audit(
        tmp_path / "d.zarr", files(tmp_path / "r", bodies), tmp_path / "o", capsys
    )
    assert report["rows"][0]["close_in_pixels"] == 1
    lines = (tmp_path / "o" / "audit.csv").read_text().splitlines()
    assert ",p2," in lines[1]
    assert ",p4," in lines[2]


def test_what_cannot_be_audited_is_refused_in_one_line(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset(tmp_path / "d.zarr", [person(4)])
    one = files(tmp_path / "one", {"p": person(1)})
    code, report = run_audit(tmp_path / "d.zarr", one, tmp_path, capsys)
    assert code == 2
    assert "allowed: 2 or more" in report["error"]
    for command in (["dataset", "--real", str(people), "--fail-above", "0.1"], ["audit"]):
        assert cli.main(["evaluate", *command, str(tmp_path / "d.zarr")]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    assert roc_area(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert roc_area(np.array([3.0, 4]), np.array([1.0, 2])) == 0
    assert roc_area(np.array([1.0, 3, 2]), np.array([2.0])) == pytest.approx(0.5)


def test_the_intervals_of_people_are_wider_than_those_of_slices() -> None:
    """Ten slices of one person are not ten independent images."""
    near, far = rng(1).normal(0, 1, 12), rng(2).normal(0.5, 1, 12)
    people = np.arange(12)
    of_people = membership_score(
        np.repeat(near, 10), np.repeat(far, 10), *[np.repeat(people, 10)] * 2
    )
    of_slices = membership_score(np.repeat(near, 10), np.repeat(far, 10), *[np.arange(120)] * 2)
    assert of_people.area == of_slices.area
    widths = [score.high - score.low for score in (of_people, of_slices)]
    assert widths[0] > 2 * widths[1]
