"""`factory evaluate deformation`: head planes against real ones that are not paired."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from support.datasets import card, dataset, files, person

from factory import cli

SHAPE = (1, 80, 64)
REAL = {f"p{i}": person(i, SHAPE) for i in range(3)}


def run_deformation(
    dataset_path: Path, real: Path, capsys: pytest.CaptureFixture[str], *more: str, code: int = 0
) -> dict:
    command = ["evaluate", "deformation", str(dataset_path), "--real", str(real)]
    output = str(dataset_path.parent / "o")
    assert cli.main([*command, "--output", output, "--json", *more]) == code
    out, err = capsys.readouterr()
    return json.loads(out) if out else {"error": err}


def bend(image: np.ndarray) -> np.ndarray:
    """Return an image deformed by a wave of two voxels."""
    z, y, x = np.indices(image.shape).astype(float)
    places = [z, y + 2 * np.sin(x / 6), x + 2 * np.sin(y / 6)]
    return np.clip(ndimage.map_coordinates(image, places, order=1), 0, 1).astype(np.float32)


def test_the_more_is_changed_the_higher_the_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = files(tmp_path / "real", {"p0": REAL["p0"]})
    dataset(tmp_path / "d.zarr", [REAL["p0"], bend(REAL["p0"]), person(9, SHAPE)])
    report = run_deformation(tmp_path / "d.zarr", real, capsys)
    (row,) = report["rows"]
    assert row["planes"] == 3
    same, waved, other = pd.read_csv(tmp_path / "o" / "deformation-samples.csv")["deformation"]
    assert same < 0.02
    assert same < waved < other
    assert "no floor of real against real" in " ".join(report["remarks"])
    summary = json.loads((tmp_path / "o" / "deformation.json").read_text())
    assert summary["real"] == str(real)
    assert (tmp_path / "o" / "deformation.png").stat().st_size > 0


def test_held_out_planes_are_the_references_and_their_own_floor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = files(tmp_path / "real", REAL)
    model = card(tmp_path / "model", ["p0"], ["p1", "p2"])
    dataset(tmp_path / "d.zarr", [REAL["p1"]], model=model)
    report = run_deformation(tmp_path / "d.zarr", real, capsys)
    samples, floor = report["rows"]
    assert "held-out" in samples["what"]
    assert floor["planes"] == 2
    # the sample is one of the two references: half of their distance
    assert samples["deformation"] == pytest.approx(floor["deformation"] / 2, rel=0.6)


def test_an_address_without_workers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = files(tmp_path / "real", REAL)
    dataset(tmp_path / "d.zarr", [REAL["p1"]])
    error = run_deformation(tmp_path / "d.zarr", real, capsys, "--address", "here:1", code=2)[
        "error"
    ]
    assert "--address needs --workers" in error
