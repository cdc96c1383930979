"""Exports are read back by the programs they are made for."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import zarr
from support.export_checks import TURNED, serial, write

from factory.datasets.export import export_dataset
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout, quantise
from factory.storage.export.formats.bids import BidsFormat
from factory.storage.export.metadata import DatasetSummary
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(str(tmp_path_factory.mktemp("export") / "small-set.zarr"))


def test_nifti_has_the_voxels_and_their_position(dataset, tmp_path) -> None:
    serial(dataset, "bids", tmp_path / "b")
    stored, at = dataset.sample(2), tmp_path / "b/sub-0002/anat"
    image = nib.load(at / "sub-0002_T2w.nii.gz")
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_allclose(image.affine, stored.affine, atol=1e-6)
    np.testing.assert_allclose(image.header.get_zooms(), stored.spacing_mm[::-1])
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(image.get_fdata().T, stored.arrays["image"], atol=1e-7)
    levels, _ = quantise(stored.arrays["image"], 0, 1.2)
    np.testing.assert_array_equal(np.asarray(image.dataobj.get_unscaled()).T, levels)
    label = nib.load(at / "sub-0002_dseg.nii.gz")
    np.testing.assert_array_equal(np.asarray(label.dataobj).T, stored.arrays["label"])
    stack = nib.load(at / "sub-0002_acq-stack0_T2w.nii.gz")
    np.testing.assert_allclose(stack.affine, TURNED, atol=1e-5)
    np.testing.assert_allclose(stack.get_fdata().T, stored.stacks[0].image, atol=1e-6)
    theirs = sitk.ReadImage(str(at / "sub-0002_T2w.nii.gz"))  # LPS: x and y the other way
    np.testing.assert_allclose(sitk.GetArrayFromImage(theirs), stored.arrays["image"], atol=1e-6)
    corner = theirs.TransformIndexToPhysicalPoint((3, 5, 7))
    world = stored.affine @ [3, 5, 7, 1]
    np.testing.assert_allclose(np.array(corner) * [-1, -1, 1], world[:3], atol=1e-4)


def test_monai_loads_it(dataset, tmp_path) -> None:
    transforms = pytest.importorskip("monai.transforms", reason="no monai: pip install monai")
    report = serial(dataset, "nnunet", tmp_path)
    files = {"image": "imagesTr/sample_0003_0000.nii.gz", "label": "labelsTr/sample_0003.nii.gz"}
    loaded = transforms.LoadImaged(["image", "label"])(
        {name: Path(report.folder) / file for name, file in files.items()}
    )
    stored = dataset.sample(3)
    np.testing.assert_allclose(loaded["image"].numpy().T, stored.arrays["image"], atol=1e-6)
    np.testing.assert_array_equal(loaded["label"].numpy().T, stored.arrays["label"])
    np.testing.assert_allclose(loaded["image"].affine.numpy(), stored.affine, atol=1e-6)


def test_the_nnunet_folder_follows_the_documentation(dataset, tmp_path) -> None:
    report = serial(dataset, "nnunet", tmp_path, licence="CC0-1.0", rejected_too=True)
    folder = Path(report.folder)
    assert folder == tmp_path / "Dataset501_SmallSet"
    assert report.arrays_left_out == ("stack_0", "stack_0_label", "uncertainty")
    document = json.loads((folder / "dataset.json").read_text())
    assert document["channel_names"] == {"0": "T2w"}
    assert document["labels"]["background"] == 0
    assert sorted(document["labels"].values()) == list(range(8))
    assert (document["numTraining"], document["file_ending"]) == (4, ".nii.gz")
    assert document["licence"] == "CC0-1.0"
    images = sorted(file.name for file in (folder / "imagesTr").iterdir())
    labels = sorted(file.name for file in (folder / "labelsTr").iterdir())
    assert images == [f"sample_000{i}_0000.nii.gz" for i in range(4)]
    assert labels == [f"sample_000{i}.nii.gz" for i in range(4)]


def test_the_check_of_nnunet_passes(dataset, tmp_path) -> None:
    pytest.importorskip("nnunetv2", reason="no nnU-Net: pip install nnunetv2")
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    report = serial(dataset, "nnunet", tmp_path)
    verify_dataset_integrity(report.folder, 1)  # raises, or warns by printing


def test_bids_validator_finds_no_error(dataset, tmp_path) -> None:
    pytest.importorskip(
        "bids_validator_deno", reason="no validator: pip install bids-validator-deno"
    )
    serial(dataset, "bids", tmp_path / "b")
    command = [sys.executable, "-m", "bids_validator_deno", "--json", str(tmp_path / "b")]
    beside = Path(sys.executable).with_name("bids-validator-deno")
    command = [str(beside), *command[3:]] if beside.exists() else command
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    validator_issues = json.loads(ended.stdout)["issues"]["issues"]
    assert [issue for issue in validator_issues if issue["severity"] == "error"] == []
    assert len(validator_issues) > 0  # it has advice: so it did read


def test_a_bids_export_is_read_back_as_subjects(dataset, tmp_path) -> None:
    serial(dataset, "bids", tmp_path / "b", where="grade == 2")
    for file in (tmp_path / "b").rglob("*stack0_dseg*"):
        file.unlink()  # of two label files a subject's reader does not know which is meant
    (record,) = list_bids_subjects(tmp_path / "b", None, None)
    subject, stored = load_subject(record, None), dataset.sample(2)
    np.testing.assert_array_equal(subject.label, stored.arrays["label"])
    np.testing.assert_allclose(subject.image, stored.arrays["image"], atol=1e-6)
    np.testing.assert_allclose(subject.grid.affine, stored.affine, atol=1e-6)


def test_bids_tables_hold_the_columns_of_the_cases(dataset, tmp_path) -> None:
    serial(dataset, "bids", tmp_path / "b", contrast="T1w")
    header, *rows = (tmp_path / "b/participants.tsv").read_text().splitlines()
    columns = header.split("\t")
    assert columns[0] == "participant_id"
    assert set(columns[1:]) == set(dataset.cases().columns)
    assert [row.split("\t")[0] for row in rows] == ["sub-0000", "sub-0002", "sub-0003"]
    assert dict(zip(columns, rows[1].split("\t"), strict=True))["subject"] == "s2"
    lookup = (tmp_path / "b/dseg.tsv").read_text().splitlines()
    assert lookup[5] == "4\tventricles\t#0072b2"
    sidecar = json.loads((tmp_path / "b/sub-0002/anat/sub-0002_T1w.json").read_text())
    assert sidecar["Case"] == {"id": "case-2"}
    assert (tmp_path / "b/sub-0002/anat/sub-0002_T1w.nii.gz").is_file()


def test_bids_names_a_channel_by_its_suffix_or_else_by_acq() -> None:
    names = ("t1w", "arterial_phase")
    ranges = dict.fromkeys(("image", "original", "stack_0"), (0.0, 1.0))
    of = Layout(1, (4, 4, 4), FETA, ranges, 1, {"stack_0": (2, 4, 4)}, dict.fromkeys(ranges, names))
    files = BidsFormat(DatasetSummary("Set", of, {})).files(0)  # type: ignore[typeddict-item]
    assert [file.removeprefix("sub-0000/anat/sub-0000_") for file in files] == [
        "T1w.nii.gz",
        "acq-arterialphase_T2w.nii.gz",
        "dseg.nii.gz",
        "desc-original_T1w.nii.gz",
        "acq-arterialphase_desc-original_T2w.nii.gz",
        "acq-stack0_T1w.nii.gz",
        "acq-stack0arterialphase_T2w.nii.gz",
        "T1w.json",
        "acq-arterialphase_T2w.json",
        "acq-stack0arterialphase_T2w.json",
    ]


def test_ome_zarr_groups_are_valid_and_hold_the_sample(dataset, tmp_path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05", reason="no ome-zarr-models installed")
    serial(dataset, "ome-zarr", tmp_path / "o")
    groups = sorted((tmp_path / "o").glob("*.ome.zarr"))
    assert len(groups) == 3 * 2
    for path in groups:
        group = zarr.open_group(path, mode="r")
        models.Image.from_zarr(group)
        models.Labels.from_zarr(group["labels"])
        label = models.ImageLabel.from_zarr(group["labels/tissues"]).attributes.ome
        assert label.image_label.colors[4].rgba == (0, 114, 178, 255)
        assert label.image_label.properties[4].name == "ventricles"
    stored, group = dataset.sample(2), zarr.open_group(groups[2], mode="r")
    np.testing.assert_array_equal(group["0"][0], stored.arrays["image"])
    np.testing.assert_array_equal(group["0"][1], stored.arrays["uncertainty"])
    np.testing.assert_array_equal(group["labels/tissues/0"], stored.arrays["label"])
    scale, translation = (
        step[step["type"]]
        for step in group.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    )
    np.testing.assert_allclose(scale, [1, *stored.spacing_mm])
    np.testing.assert_allclose(translation, [0, *stored.affine[:3, 3][::-1]])


def test_croissant_is_valid_and_lists_the_cases(tmp_path) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="no mlcroissant installed")
    dataset = write(str(tmp_path / "d.zarr"), 2)
    export_dataset(
        dataset.path, "croissant", licence="https://creativecommons.org/publicdomain/zero/1.0/"
    )
    assert dataset.is_complete()  # the file beside it disturbs nothing
    described = croissant.Dataset(str(tmp_path / "d.zarr/croissant.json"))
    assert not described.metadata.ctx.issues.errors
    records = list(described.records("cases"))
    table = dataset.cases()
    assert [record["cases/subject"].decode() for record in records] == list(table["subject"])
    assert {name.removeprefix("cases/") for name in records[0]} == set(table.columns)
    labels = {r["labels/value"]: r["labels/name"] for r in described.records("labels")}
    assert labels[4] in ("ventricles", b"ventricles")
    for file in json.loads((tmp_path / "d.zarr/croissant.json").read_text())["distribution"]:
        if "sha256" in file:
            data = (tmp_path / "d.zarr" / file["contentUrl"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
        else:
            assert list((tmp_path / "d.zarr").glob(file["includes"]))


def test_a_dataset_in_a_bucket_is_exported_by_several_processes(s3, tmp_path) -> None:
    dataset = write(f"{s3}/d.zarr")
    report = export_dataset(dataset.path, "nnunet", str(tmp_path), workers=2, progress=False)
    file = nib.load(Path(report.folder) / "labelsTr/sample_0003.nii.gz")
    np.testing.assert_array_equal(np.asarray(file.dataobj).T, dataset.sample(3).arrays["label"])
