"""`appearance: original`: the subject's own image, moved by the edits, without a model."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import factory
from factory.errors import FactoryError
from factory.storage.dataset.open import open_dataset

RECIPE = """
seed: 1
subjects:
  nifti:
    path: {folder}
    labels: "{{subject}}_seg.nii.gz"
    images: "{{subject}}_mr.nii.gz"
    mapping: {folder}/dseg.tsv
anatomy:
  - {edit}
appearance: original
output: {{path: {folder}/made.zarr, spacing_mm: 2, range: [0, 2]}}
"""

LABELS = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume of 300 cubes of 3³ voxels, each a label of its own, and an image of noise."""
    rng = np.random.Generator(np.random.Philox(0))
    cubes = np.zeros((10, 10, 10), np.int32)  # x, y, z
    cubes[2:8, 2:7, :] = np.arange(1, LABELS + 1).reshape(6, 5, 10) * 7
    values = np.kron(cubes, np.ones((3, 3, 3), np.int32))
    affine = np.diag([2.0, 2, 2, 1])
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "p_seg.nii.gz")
    image = rng.integers(100, 1000, values.shape).astype(np.int16)
    nib.save(nib.Nifti1Image(image, affine), tmp_path / "p_mr.nii.gz")
    rows = [f"{7 * value}\tpart_{value}\n" for value in range(1, LABELS + 1)]
    (tmp_path / "dseg.tsv").write_text("index\tname\n" + "".join(rows))
    return tmp_path


def write_recipe(folder: Path, edit: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(RECIPE.format(folder=folder, edit=edit))
    return path


def test_the_image_is_the_subjects_own_moved_by_the_edits(folder: Path) -> None:
    edit = "deform: {warp_mm: 0, flip: {each: [false, true]}}"
    factory.render(factory.load_recipe(write_recipe(folder, edit)))
    dataset = factory.open(folder / "made.zarr")
    plain, flipped = dataset[0], dataset[1]
    label = plain.arrays["label"]
    assert label.dtype == np.uint16
    inside = np.argwhere(label)
    box = tuple(
        slice(low, high + 1) for low, high in zip(inside.min(0), inside.max(0), strict=True)
    )
    values = np.asarray(nib.load(folder / "p_seg.nii.gz").dataobj).T
    image = np.asarray(nib.load(folder / "p_mr.nii.gz").dataobj).T
    of_file = tuple(slice(low, high) for low, high in ((0, 30), (6, 21), (6, 24)))
    np.testing.assert_array_equal(label[box], values[of_file] // 7)
    unit = np.percentile(image[values > 0], 99.5)
    np.testing.assert_allclose(plain.arrays["image"][box], image[of_file] / unit, atol=2e-5)
    np.testing.assert_array_equal(flipped.arrays["label"][:, :, ::-1], label)
    np.testing.assert_allclose(flipped.arrays["image"][..., ::-1], plain.arrays["image"], atol=1e-4)


def test_a_dataset_without_a_model_is_verified_and_replayed(folder: Path) -> None:
    factory.render(factory.load_recipe(write_recipe(folder, "dilate: {structure: part_1, mm: 2}")))
    path = folder / "made.zarr"
    assert not open_dataset(str(path)).record["weights"]
    assert factory.verify(str(path)).is_sound
    assert factory.replay(str(path), 0, str(folder / "again.zarr")).to_json()["equal"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("subjects.nifti.images=null", "appearance: value original; subjects.nifti without images"),
        ("output.uncertainty=true", "output.uncertainty: value true; an original image"),
        ("appearance=own", "appearance: value own; allowed: .*original"),
    ],
)
def test_what_has_no_image_of_its_own_is_one_line(folder: Path, change: str, message: str) -> None:
    with pytest.raises(FactoryError, match=message) as error:
        factory.load_recipe(write_recipe(folder, "erode: {structure: part_1, mm: 1}"), [change])
    assert "\n" not in str(error.value)
