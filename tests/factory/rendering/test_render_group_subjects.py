"""Groups with subjects of two sources in one dataset."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import factory
from factory.execution.options import RenderOptions, RunOptions
from factory.report.provenance import describe_sources
from factory.storage.dataset.open import open_dataset

RECIPE = """
seed: 1
groups:
  painted:
    share: 50 %
    subjects: {phantom: {count: 2, gestational_age_weeks: 26}}
    anatomy: [{dilate_ventricles: {radius_mm: 4, into: [white_matter]}}]
    appearance: {model: fetal-spade}
  real:
    share: 50 %
    subjects: {nifti: {path: FOLDER, labels: "{subject}_seg.nii.gz", images: "{subject}_t2w.nii.gz",
                       mapping: {1: white_matter, 2: cyst}}}
    appearance: original
output: {path: FOLDER/made.zarr, spacing_mm: 4}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> "factory.Recipe":
    for name in ("a", "b", "c"):
        label = np.zeros((16, 16, 16), np.uint8)
        label[3:13, 3:13, 3:13] = 1
        label[6:9, 6:9, 6:9] = 2
        for what, array in (("seg", label), ("t2w", label * np.float32(100))):
            image = nib.Nifti1Image(array, np.diag([4.0, 4, 4, 1]))
            image.to_filename(tmp_path / f"{name}_{what}.nii.gz")
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE.replace("FOLDER", str(tmp_path)))
    return factory.load_recipe(file)


def test_each_sample_says_its_group_and_source(recipe, tmp_path) -> None:
    path = str(tmp_path / "made.zarr")
    options = RenderOptions(run=RunOptions(serial=True, progress=False))
    factory.render(recipe, options=options)
    cases, table = factory.open(path).cases, factory.open(path).table.names
    assert cases["group"].tolist() == ["painted"] * 2 + ["real"] * 2
    assert cases["subject_source"].tolist() == ["phantom"] * 2 + ["nifti"] * 2
    assert cases["appearance"].tolist() == ["fetal-spade"] * 2 + ["original"] * 2
    has_cyst = [table.index("cyst") in factory.open(path)[row].arrays["label"] for row in range(4)]
    assert has_cyst == [False, False, True, True]
    row = factory.replay(path, 2, str(tmp_path / "real.zarr"))
    assert row.differing == []
    factory.replay(path, 0, str(tmp_path / "older.zarr"), ["gestational_age_weeks=30"])
    [older] = factory.open(str(tmp_path / "older.zarr")).cases["gestational_age_weeks"]
    assert older == 30
    assert [text.partition(":")[0] for text in describe_sources(recipe.data)] == [
        "procedural",
        "nifti",
    ]

    on_ray = RenderOptions(run=RunOptions(actors=2, progress=False))
    factory.render(recipe, output=str(tmp_path / "ray.zarr"), options=on_ray)
    assert open_dataset(str(tmp_path / "ray.zarr")).digest() == open_dataset(path).digest()

    third = (
        "{subjects: {phantom: {count: 1, gestational_age_weeks: 26}}, appearance: {contrast: t2w}}"
    )
    grown = factory.load_recipe(tmp_path / "recipe.yaml", [f"groups.third={third}"])
    factory.render(grown, options=RenderOptions(run=options.run, append=True))
    assert factory.open(path).cases["subject_source"].tolist()[2:] == ["nifti", "nifti", "phantom"]
    assert "missing" not in "".join(factory.verify(path).lines())
