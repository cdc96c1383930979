"""Folders of real images become datasets: as slices, as volumes, with Hounsfield units, oblique."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import factory
from factory import cli
from factory.datasets.import_recipe import ImportOptions, make_import_recipe
from factory.datasets.open import OpenedDataset
from factory.errors import FactoryError
from factory.execution.options import RenderOptions, RunOptions
from factory.storage.errors import SubjectError

SERIAL = RenderOptions(run=RunOptions(serial=True, progress=False))
MAPPING = "index\tname\tcolor\n0\tbackground\t#000000\n1\tliver\t#aa2200\n5\tspine\t#ffffee\n"
LABELS, IMAGES = "{subject}_seg.nii.gz", "{subject}_img.nii.gz"


def write_pair(
    folder: Path, name: str, label: np.ndarray, image: np.ndarray, affine: np.ndarray
) -> None:
    nib.save(nib.Nifti1Image(label, affine), folder / f"{name}_seg.nii.gz")
    nib.save(nib.Nifti1Image(image, affine), folder / f"{name}_img.nii.gz")


def phantom_ct(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A label map of a liver and a spine in air, and its CT in HU; x, y, z."""
    label = np.zeros((30, 26, 12), np.uint8)
    label[4:20, 5:20, 2:10] = 1
    label[22:26, 8:14, 2:10] = 5
    image = np.full(label.shape, -1000, np.int16)
    image[label == 1] = rng.integers(30, 70, (label == 1).sum())
    image[label == 5] = rng.integers(300, 2000, (label == 5).sum())
    return label, image


def import_folder(folder: Path, **files: object) -> OpenedDataset:
    output = str(folder / "real.zarr")
    factory.import_dataset(str(folder), output, ImportOptions(**files), options=SERIAL)
    assert factory.verify(output).is_sound
    return factory.open(output)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dseg.tsv").write_text(MAPPING)
    return tmp_path


def world_centre(label: np.ndarray, affine: np.ndarray, value: int) -> np.ndarray:
    """The centre of a label in mm, of a label map [z, y, x]."""
    z, y, x = np.argwhere(label == value).mean(0)
    return (affine @ [x, y, z, 1])[:3]


def test_ct_keeps_its_hounsfield_units_and_its_place(folder: Path) -> None:
    label, image = phantom_ct(np.random.default_rng(0))
    affine = np.array([[-2.0, 0, 0, 31], [0, 0, 2, -7], [0, -2, 0, 12], [0, 0, 0, 1]])
    write_pair(folder, "p1", label, image, affine)
    dataset = import_folder(folder, labels=LABELS, images=IMAGES)
    assert dataset.table.names == ("background", "liver", "spine")
    assert dataset.table.colours[1] == (170, 34, 0)
    row, sample = dataset.cases.iloc[0], dataset[0]
    assert row["source"] == "real"
    assert row["image_file"] == str(folder / "p1_img.nii.gz")
    assert row["clipped_fraction"] == 0
    stored = sample.arrays["label"]
    hounsfield = sample.arrays["image"] * row["intensity_unit"] + row["intensity_zero"]
    for value, of_file in ((1, 1), (2, 5)):
        assert np.count_nonzero(stored == value) == np.count_nonzero(label == of_file)
        np.testing.assert_allclose(
            np.sort(hounsfield[stored == value]), np.sort(image[label == of_file]), atol=0.1
        )
        np.testing.assert_allclose(
            world_centre(stored, sample.affine, value),
            world_centre(label.T, affine, of_file),
            atol=1e-6,
        )


def test_an_oblique_volume_keeps_its_place_and_is_not_mirrored(folder: Path) -> None:
    label, image = phantom_ct(np.random.default_rng(1))
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [8, -11, 15], degrees=True).as_matrix() * 2
    affine[:3, 3] = 5, -40, 12
    write_pair(folder, "p1", label, image, affine)
    dataset = import_folder(folder, labels=LABELS, images=IMAGES)
    sample = dataset[0]
    for value, of_file in ((1, 1), (2, 5)):
        np.testing.assert_allclose(
            world_centre(sample.arrays["label"], sample.affine, value),
            world_centre(label.T, affine, of_file),
            atol=0.5,
        )
    assert np.linalg.det(sample.affine[:3, :3]) > 0


@pytest.mark.parametrize("axis", [0, 1, 2, None])
def test_a_slice_is_one_slice_of_its_own_thickness(folder: Path, axis: int | None) -> None:
    rng = np.random.default_rng(2)
    label = np.zeros((40, 30), np.uint8)
    label[5:25, 6:20] = 1
    label[28:34, 6:20] = 5
    image = rng.integers(0, 900, label.shape).astype(np.int16)
    affine = np.diag([1.0, 1, 1, 1])
    if axis is not None:
        affine[axis, axis] = 6.0
        label, image = np.expand_dims(label, axis), np.expand_dims(image, axis)
    write_pair(folder, "p1", label, image, affine)
    dataset = import_folder(folder, labels=LABELS, images=IMAGES, spacing_mm=1.0)
    sample = dataset[0]
    assert sample.arrays["label"].shape[0] == 1
    assert np.count_nonzero(sample.arrays["label"] == 1) == 20 * 14
    thickness = 1.0 if axis is None else 6.0
    np.testing.assert_allclose(sample.spacing_mm, (thickness, 1, 1))
    assert dataset.cases.iloc[0]["volume_ml_liver"] == pytest.approx(0.28 * thickness)
    expected = world_centre(label.reshape(*label.shape, *[1] * (3 - label.ndim)).T, affine, 1)
    found = world_centre(sample.arrays["label"], sample.affine, 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_interrupted_import_is_continued_by_the_same_command(
    folder: Path,
) -> None:
    label, image = phantom_ct(np.random.default_rng(3))
    for name in ("p1", "p2"):
        write_pair(folder, name, label, image, np.diag([2.0, 2, 2, 1]))
    out = str(folder / "real.zarr")
    command = ["import", str(folder), "--output", out, "--labels", LABELS, "--images", IMAGES]
    assert cli.main([*command, "--serial"]) == 0
    entry = next((folder / "real.zarr" / "ledger").iterdir())
    entry.unlink()
    for seal in (folder / "real.zarr" / "seal").iterdir():
        seal.unlink()
    assert cli.main([*command, "--serial"]) == 0
    assert factory.verify(out).is_sound
    assert len(factory.open(out).cases) == 2
    assert cli.main(["replay", out, "1", "--output", str(folder / "again")]) == 0


def test_slices_beside_volumes_are_one_line(folder: Path) -> None:
    label, image = phantom_ct(np.random.default_rng(4))
    write_pair(folder, "p1", label, image, np.diag([2.0, 2, 2, 1]))
    write_pair(folder, "p2", label[:, :, 5], image[:, :, 5], np.diag([2.0, 2, 2, 1]))
    recipe = make_import_recipe(
        str(folder), str(folder / "o.zarr"), ImportOptions(labels=LABELS, images=IMAGES)
    )
    with pytest.raises(FactoryError, match="p2 is a single slice, p1 a volume; allowed"):
        factory.plan(recipe)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "neither BIDS .* nor nnU-Net .* nor M&Ms .*; allowed: patterns"),
        ({"labels": LABELS}, "--images: missing; allowed: --labels and --images together"),
        ({"labels": "seg.nii.gz", "images": IMAGES}, "value seg.nii.gz; allowed: a file name with"),
    ],
)
def test_a_folder_that_is_not_understood_is_one_line(
    folder: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises((FactoryError, SubjectError), match=message) as error:
        make_import_recipe(str(folder), "o.zarr", ImportOptions(**files))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("to", ["bids", "nnunet"])
def test_an_export_is_imported_again_as_it_was(folder: Path, to: str) -> None:
    table = MAPPING.replace("liver", "left_kidney").replace("5\tspine", "500\tright_kidney")
    (folder / "dseg.tsv").write_text(table)
    label, image = phantom_ct(np.random.default_rng(5))
    values = np.where(label == 5, np.uint16(500), label)
    write_pair(folder, "p1", values, image, np.diag([2.0, 2, 2, 1]))
    first = import_folder(folder, labels=LABELS, images=IMAGES)
    place = factory.export(str(folder / "real.zarr"), to, str(folder / "out")).folder
    again = str(folder / "again.zarr")
    factory.import_dataset(place, again, options=SERIAL)
    second = factory.open(again)
    assert second.table == first.table
    np.testing.assert_array_equal(second[0].arrays["label"], first[0].arrays["label"])
    np.testing.assert_allclose(second[0].affine, first[0].affine, atol=1e-5)
    before, after = first[0].arrays["image"], second[0].arrays["image"]
    np.testing.assert_allclose(after, before, atol=2e-3)
    if to == "bids":
        lines = (Path(place) / "dseg.tsv").read_text().splitlines()
        assert lines[3] == "2\tright_kidney\t#ffffee\t500"
    else:
        notes = json.loads((Path(place) / "dataset.json").read_text())
        assert notes["source_values"]["right_kidney"] == [500]
        assert notes["left_right_pairs"] == [["left_kidney", "right_kidney"]]
