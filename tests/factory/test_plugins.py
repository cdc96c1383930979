"""One more edit, family, source and format is one folder or file: the toys of tests/support."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.places import ROOT, environment

from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.types import FETA

TRAIN = """
family: flat
name: flat-tones
seed: 1
licence: none
subjects: {{path: {bids}, mapping: feta, spacing_mm: [4.0]}}
output: {output}
"""
RENDER = """
seed: 1
subjects: {{boxes: {{count: 2, inner_mm: {{each: [8, 16]}}}}}}
anatomy:
  - hollow: {{wall_mm: 4, tissue: white_matter}}
appearance: {{model: {model}}}
output: {{path: {output}, spacing_mm: 2}}
"""


def run(*arguments: str, code: int = 0) -> str:
    """The command with the toys; what it prints, on stderr where it is refused."""
    command = [sys.executable, "-m", "support.toy_plugins.run", *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=environment(COLUMNS="200"), check=False
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr if code else ended.stdout


@pytest.fixture(scope="module")
def model(bids: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flat")
    recipe = folder / "train.yaml"
    recipe.write_text(TRAIN.format(bids=bids, output=folder / "run"))
    assert "--set appearance.model=" in run("train", str(recipe), "--serial")
    return folder / "run" / "model"


def test_all_four_work_together(model: Path, tmp_path: Path) -> None:
    recipe, output = tmp_path / "boxes.yaml", tmp_path / "boxes.zarr"
    recipe.write_text(RENDER.format(model=model, output=output))
    run("render", str(recipe), "--serial")
    dataset = open_dataset(str(output))
    assert dataset.layout.samples == 4
    sample = dataset.sample(3)
    label, image = sample.arrays["label"], sample.arrays["image"]
    white, ventricles = FETA.index("white_matter"), FETA.index("ventricles")
    middle = tuple(n // 2 for n in label.shape)
    assert label[middle] == ventricles
    assert sample.columns["hollow_voxels"] > 0
    assert sample.columns["requested_inner_mm"] == 16
    assert np.ptp(image[label == white]) < 1e-4
    assert image[label == white].mean() != image[label == ventricles].mean()
    exported = tmp_path / "counts"
    # in this process: one that is started anew does not know the toys
    run("export", str(output), "--to=label-counts", "--workers=1", "--output", str(exported))
    counts = np.array((exported / "sample-3.txt").read_text().split(), int)
    np.testing.assert_array_equal(counts, np.bincount(label.ravel()))
    assert "2 boxes subjects." in run("plan", str(recipe), "--explain")
    assert "flat-tones" in run("models", str(model))


def test_help_and_schema_know_them() -> None:
    assert "boxes" in run("render", "--help")
    assert "hollow" in run("render", "--help")
    assert "flat" in run("train", "--help")
    assert "label-counts" in run("export", "--help")
    render = json.loads(run("schema", "render"))["$defs"]
    assert "hollow" in render["Edit"]["properties"]
    assert "boxes" in render["Subjects"]["properties"]
    assert "FlatTraining" in json.loads(run("schema", "train"))["$defs"]


def test_the_documentation_describes_them(tmp_path: Path) -> None:
    code = f"""
import runpy, sys
from pathlib import Path
from support.toy_plugins.run import add_toys
add_toys()
runpy.run_path({str(ROOT / "docs" / "generate.py")!r})["write_reference"](Path({str(tmp_path)!r}))
"""
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=True, env=environment(), capture_output=True)
    for page, name in (
        ("edits", "hollow"),
        ("sources", "boxes"),
        ("training-recipes", "flat"),
        ("exports", "label-counts"),
        ("cli", "label-counts"),
        ("recipe", "boxes"),
    ):
        assert name in (tmp_path / f"{page}.md").read_text(), page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("subjects={boxs: {count: 1, inner_mm: 5}}", "did you mean boxes?"),
        ("anatomy=[{hollw: {wall_mm: 4}}]", "did you mean hollow?"),
        ("anatomy=[{hollow: {wall: 4}}]", "did you mean wall_mm?"),
        ("subjects.boxes.inner_mm=99", "allowed: 0 to 30 mm"),
    ],
)
def test_mistakes_are_told_with_the_nearest_name(tmp_path: Path, change: str, said: str) -> None:
    recipe = tmp_path / "boxes.yaml"
    recipe.write_text(RENDER.format(model="nowhere", output=tmp_path / "x.zarr"))
    error = run("plan", str(recipe), "--set", change, code=2)
    assert said in error
    assert error.count("\n") == 1


def test_a_family_and_a_format_are_told_with_the_nearest_name(bids: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "train.yaml"
    recipe.write_text(TRAIN.format(bids=bids, output=tmp_path))
    assert "did you mean flat?" in run("train", str(recipe), "--set", "family=flt", code=2)
    error = run("export", str(tmp_path), "--to", "label-count", code=2)
    assert "did you mean label-counts?" in error
