"""Images of several channels, from NIfTI files to a dataset and what is done with it."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import zarr

import factory
from factory.case import CaseEdit
from factory.datasets.inspect import inspect_dataset
from factory.datasets.montage.montage import draw_montage
from factory.errors import FactoryError
from factory.planning.cases import iterate_cases
from factory.planning.channels import image_channels
from factory.rendering.renderer import edit_image
from factory.storage.dataset.open import open_dataset
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.torch import PatchDataset, PatchLoader

RECIPE = """
seed: 1
subjects:
  nifti:
    path: {folder}
    labels: "{{subject}}_seg.nii.gz"
    images: {{t2w: "{{subject}}_t2.nii.gz", t1w: "{{subject}}_t1.nii.gz"}}
    mapping: {{1: shell, 2: core}}
anatomy:
  - dilate: {{structure: core, mm: {{each: [0, 4]}}}}
appearance: original
output: {{path: {folder}/made.zarr, spacing_mm: 2, range: [0, 2], original: true}}
"""

SCAN = """
acquisition:
  stacks: {orientations: [axial], thickness_mm: 4, in_plane_mm: 2}
  motion: {translation_mm: 1}
  noise: {snr: 9}
"""


def write_files(folder: Path) -> Path:
    """A ball in a ball, with a T1-weighted image in which the core is dark, and a T2-weighted."""
    z, y, x = np.indices((24, 24, 24)) - 11.5
    radius = np.sqrt(z**2 + y**2 + x**2)
    label = ((radius < 10).astype(np.uint8) + (radius < 5)).T
    affine = np.diag([2.0, 2, 2, 1])
    rng = np.random.Generator(np.random.Philox(0))
    for name in ("a", "b"):
        nib.save(nib.Nifti1Image(label, affine), folder / f"{name}_seg.nii.gz")
        for weighting, core in (("t1", 200), ("t2", 900)):
            image = np.select([label == 2, label == 1], [core, 500])
            image += rng.integers(0, 50, image.shape)
            nib.save(
                nib.Nifti1Image(image.astype(np.int16), affine),
                folder / f"{name}_{weighting}.nii.gz",
            )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def load(folder: Path, *changes: str, more: str = "") -> factory.Recipe:
    path = folder / "channels.yaml"
    path.write_text(RECIPE.format(folder=folder) + more)
    return factory.load_recipe(path, list(changes))


def test_both_channels_are_carried_along_and_stored(folder: Path) -> None:
    recipe = load(folder)
    assert image_channels(recipe, {"family": "original"}) == ("t1w", "t2w")
    assert image_channels(recipe, {"family": "spade", "channels": ["flair"]}) == ("flair",)
    factory.render(recipe)
    path = str(folder / "made.zarr")
    dataset = factory.open(path)
    assert dataset.channels == {"image": ("t1w", "t2w"), "original": ("t1w", "t2w")}
    for index in range(4):
        image, label = dataset[index].arrays["image"], dataset[index].arrays["label"]
        core, shell = (dataset.labels[name] for name in ("core", "shell"))
        t1w, t2w = ([channel[label == v].mean() for v in (core, shell)] for channel in image)
        assert t1w[0] < 0.5 * t1w[1]  # the core is dark, also where it grew
        assert t2w[0] > 1.5 * t2w[1]
        assert [np.percentile(channel[label > 0], 99.5) for channel in image] == pytest.approx(
            [1, 1], abs=0.05
        )
    grown, plain = (dataset.cases["volume_ml_core"].iloc[i] for i in (1, 0))
    assert grown > 2 * plain
    assert factory.verify(path).is_sound
    assert factory.replay(path, 1, str(folder / "again.zarr")).to_json()["equal"]
    lines = inspect_dataset(path).lines()
    assert any("array     image: uint16, the channels t1w, t2w, bricks" in line for line in lines)
    draw_montage(path, folder / "montage.png")
    (folder / "made.zarr/image/c/1/0/0/0/0").write_bytes(b"")
    assert factory.verify(path).to_json()["shards"] == [1]
    before = dataset[0].arrays["image"]
    factory.repair(path)
    np.testing.assert_array_equal(factory.open(path)[0].arrays["image"], before)
    assert factory.verify(path).is_sound


def test_channels_are_scanned_with_one_motion_and_other_noise(made: str) -> None:
    group = zarr.open_group(made, mode="r")
    assert group["stack_0"].metadata.dimension_names[:2] == ("sample", "channel")
    stack = factory.open(made)[0].stacks[0]
    outside = stack.image.max(axis=0) < 0.25  # noise alone
    assert stack.image.shape[0] == 2
    assert abs(np.corrcoef(stack.image[:, outside])[0, 1]) < 0.1
    row = factory.open(made).cases.iloc[0]
    ((t1w, t2w),) = json.loads(row["acquisition_snr"])
    assert t1w == pytest.approx(9, rel=0.2)
    assert t2w == pytest.approx(9, rel=0.2)
    assert len(json.loads(row["acquisition_motion_mean_mm"])) == 1
    assert not open_dataset(made).failures()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "subjects.nifti.images.t1w=x.nii.gz",
            r"subjects.nifti.images.t1w: value x.nii.gz; allowed: a file name with \{subject\} in",
        ),
        (
            'subjects.nifti.images={T1: "{subject}_t1.nii.gz", t1: "{subject}_t2.nii.gz"}',
            "subjects.nifti.images: two channels are t1; allowed: each once",
        ),
        ("subjects.nifti.images={}", "subjects.nifti.images: no channels; allowed: one or more"),
        (
            'subjects.nifti.images={"1": "{subject}_t1.nii.gz"}',
            r"images\.1: value 1; allowed: letters, digits and _, a letter first",
        ),
        (
            "subjects.bids={path: x, mapping: feta}",
            "subjects.nifti.images: the channels t1w, t2w here, but one channel without a name in "
            "subjects.bids; allowed: the same channels, in the same order, in every source",
        ),
    ],
)
def test_channels_that_do_not_fit_are_one_line(folder: Path, change: str, message: str) -> None:
    with pytest.raises(FactoryError, match=message) as error:
        load(folder, change)
    assert "\n" not in str(error.value)


def test_one_reference_does_not_match_the_brightness_of_two_channels(folder: Path) -> None:
    scan = "acquisition: {histogram: {reference: a_t1.nii.gz, labels: a_seg.nii.gz}}\n"
    with pytest.raises(FactoryError, match="one reference for the channels"):
        factory.plan(load(folder, more=scan))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset of two channels, stored with stacks, and an original with the same channels."""
    place = write_files(tmp_path_factory.mktemp("made"))
    factory.render(load(place, more=SCAN))
    return str(place / "made.zarr")


def test_a_lesion_is_shaded_in_every_channel(folder: Path) -> None:
    case = next(iter(iterate_cases(load(folder))))
    edit = CaseEdit("lesion", {"name": "spot", "intensity": 2.0}, "lesion")
    label = np.zeros((12, 12, 12), np.uint8)
    label[2:10, 2:10, 2:10] = 1
    table = LabelTable(("background", "spot"), ((0, 0, 0), (9, 9, 9)))
    subject = Subject("a", label, Grid.centred(label.shape, (1.0, 1.0, 1.0)), table)
    image = np.stack([np.ones(label.shape), np.full(label.shape, 3)]).astype(np.float32)
    shaded = edit_image(image, replace(case, edits=(edit,)), label, subject)
    np.testing.assert_allclose(shaded[:, 6, 6, 6], [2, 6])
    np.testing.assert_array_equal(shaded[:, 0], image[:, 0])


def test_each_export_has_all_channels_and_is_read_back(made: str, tmp_path: Path) -> None:
    dataset = open_dataset(made)
    stored = dataset.sample(2)
    folder = Path(factory.export(made, "nnunet", str(tmp_path), workers=1, progress=False).folder)
    names = json.loads((folder / "dataset.json").read_text())["channel_names"]
    assert names == {"0": "t1w", "1": "t2w"}
    for channel in range(2):
        file = nib.load(folder / f"imagesTr/sample_0002_000{channel}.nii.gz")
        np.testing.assert_allclose(file.get_fdata().T, stored.arrays["image"][channel], atol=1e-6)
    factory.export(made, "bids", str(tmp_path / "b"), workers=1, progress=False)
    for file in (tmp_path / "b").rglob("*stack0_dseg*"):
        file.unlink()
    record = list_bids_subjects(tmp_path / "b", None, None, images=("T1w", "T2w"))[2]
    subject = load_subject(record, None)
    assert subject.channels == ("T1w", "T2w")
    np.testing.assert_allclose(subject.image, stored.arrays["image"], atol=1e-6)
    anatomy = {file.name for file in (tmp_path / "b/sub-0002/anat").iterdir()}
    assert {"sub-0002_desc-original_T2w.nii.gz", "sub-0002_acq-stack0_T1w.nii.gz"} <= anatomy
    assert {"sub-0002_T1w.json", "sub-0002_T2w.json"} <= anatomy
    factory.export(made, "ome-zarr", str(tmp_path / "o"), workers=1, progress=False)
    group = zarr.open_group(tmp_path / "o/sample-0002.ome.zarr", mode="r")
    labels = [channel["label"] for channel in group.attrs["ome"]["omero"]["channels"]]
    assert labels == ["t1w", "t2w", "original t1w", "original t2w"]
    both = np.concatenate([stored.arrays["image"], stored.arrays["original"]])
    np.testing.assert_array_equal(group["0"], both)
    factory.export(made, "croissant", progress=False)
    text = (Path(made) / "croissant.json").read_text()
    assert "image [sample, channel, z, y, x]: an image of the channels t1w, t2w" in text


def test_patches_have_all_channels(made: str) -> None:
    patches = PatchDataset(made, 30, seed=3, arrays=("image", "label", "original"), foreground=0.5)
    item = patches[1]
    stored = factory.open(made)[item["sample"]]
    assert item["image"].shape == item["original"].shape == (2, 30, 30, 30)
    assert item["label"].shape == (1, 30, 30, 30)
    inside = item["label"][0].numpy() > 0
    for channel in range(2):
        values = stored.arrays["image"][channel][stored.arrays["label"] > 0]
        np.testing.assert_allclose(np.sort(item["image"][channel].numpy()[inside]), np.sort(values))
    batch = next(iter(PatchLoader(patches, batch_size=2)))
    assert batch["image"].shape == (2, 2, 30, 30, 30)
