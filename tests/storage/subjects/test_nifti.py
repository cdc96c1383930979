import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from factory.storage.errors import SubjectError
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import list_nifti_subjects, load_nifti_pair
from factory.storage.subjects.phantom import phantom

SPACING = (3.0, 3.2, 3.4)  # x, y, z
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = (-4, -5, -6)


def values(shape: tuple[int, int, int] = (9, 10, 11)) -> np.ndarray:
    """Labels [x, y, z] without any symmetry: a box of 3, in it one voxel each of 4 and 6."""
    label = np.zeros(shape, np.uint8)
    label[2:7, 3:8, 2:9] = 3
    label[3, 4, 3] = 4
    label[5, 4, 7] = 6
    return label


def write(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def reoriented(array: np.ndarray, affine: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels stored in another axis order, e.g. LPS or SAR."""
    change = ornt_transform(nib.io_orientation(affine), axcodes2ornt(codes))
    return nib.apply_orientation(array, change), affine @ inv_ornt_aff(change, array.shape)


def world(affine: np.ndarray, zyx: np.ndarray) -> np.ndarray:
    return (affine @ [*zyx[::-1], 1])[:3]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "SAR", "PIR", "IPL"])
def test_any_axis_order_gives_the_same_subject(tmp_path: Path, codes: str) -> None:
    image = values().astype(np.float32) * 7 + np.arange(11)
    label_path = write(tmp_path / "l.nii.gz", *reoriented(values(), AFFINE, codes))
    image_path = write(tmp_path / "i.nii.gz", *reoriented(image, AFFINE, codes))
    subject = load_nifti_pair(image_path, label_path, "feta", "one")
    assert subject.grid.shape == subject.label.shape == (11, 10, 9)
    assert subject.grid.spacing == pytest.approx(SPACING[::-1])
    np.testing.assert_array_equal(subject.label, values().T)
    assert subject.image is not None
    np.testing.assert_array_equal(subject.image, image.T)
    np.testing.assert_allclose(subject.grid.affine, AFFINE, atol=1e-6)
    assert subject.label.dtype == np.uint8
    assert subject.image.dtype == np.float32


def test_an_image_and_a_label_stored_in_different_orders_still_pair(tmp_path: Path) -> None:
    label_path = write(tmp_path / "l.nii.gz", values())
    image_path = write(
        tmp_path / "i.nii.gz", *reoriented(values().astype(np.int16) * 2, AFFINE, "LIP")
    )
    subject = load_nifti_pair(image_path, label_path, "feta")
    np.testing.assert_array_equal(subject.image, subject.label * 2)


@pytest.mark.parametrize("degrees", [10, 30])
def test_an_oblique_grid_is_resampled_onto_the_worlds_axes(tmp_path: Path, degrees: int) -> None:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0, 3], [s, c, 0, -2], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    label = np.zeros((40, 44, 30), np.uint8)
    label[5:30, 8:20, 10:25] = 3
    label[24:29, 9:14, 12:18] = 4
    affine = turn @ np.diag([0.9, 0.9, 0.9, 1])
    path = write(tmp_path / "l.nii", label, affine)
    image_path = write(tmp_path / "i.nii", (label > 0).astype(np.float32) * 100, affine)
    subject = load_nifti_pair(image_path, path, "feta")
    off_diagonal = subject.grid.affine[:3, :3] - np.diag(np.diag(subject.grid.affine[:3, :3]))
    assert not off_diagonal.any()
    for value in (3, 4):
        before = world(affine, np.argwhere(label == value).mean(0)[::-1])
        after = world(subject.grid.affine, np.argwhere(subject.label == value).mean(0))
        assert np.linalg.norm(after - before) < 0.4
        volume = (subject.label == value).sum() / (label == value).sum()
        assert volume == pytest.approx(1, abs=0.1)
    assert subject.image is not None
    inside = subject.image > 50
    assert (inside == (subject.label > 0)).mean() > 0.99


def test_a_grid_turned_by_less_than_a_degree_keeps_its_voxels_and_its_affine(
    tmp_path: Path,
) -> None:
    angle = np.radians(0.5)
    affine = AFFINE.copy()
    affine[:2, :2] = [
        [SPACING[0] * np.cos(angle), -SPACING[1] * np.sin(angle)],
        [SPACING[0] * np.sin(angle), SPACING[1] * np.cos(angle)],
    ]
    subject = load_nifti_pair(None, write(tmp_path / "l.nii.gz", values(), affine), "feta")
    np.testing.assert_array_equal(subject.label, values().T)
    np.testing.assert_allclose(subject.grid.affine, affine, atol=1e-6)


def test_labels_stored_as_floats_and_a_single_fourth_axis_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "l.nii.gz", values().astype(np.float32)[..., None])
    subject = load_nifti_pair(None, path, "feta")
    np.testing.assert_array_equal(subject.label, values().T)
    assert subject.image is None
    assert subject.id == "l"


def test_a_mapping_as_a_dict_merges_values(tmp_path: Path) -> None:
    path = write(tmp_path / "l.nii.gz", values())
    mapping = {"3": "white_matter", 4: "white_matter", "6": "ventricles"}
    subject = load_nifti_pair(None, path, mapping)
    assert np.bincount(subject.label.ravel()).tolist()[3:] == [(values() > 0).sum() - 1, 1]


def flat() -> np.ndarray:
    singular = AFFINE.copy()
    singular[:, 2] = singular[:, 1]
    return singular


def broken_pairs(folder: Path) -> dict[str, tuple[Path | None, Path, str]]:
    """A bad pair of each kind, and what its error must say."""
    good = write(folder / "good.nii.gz", values())
    image = values().astype(np.float32)
    with_nan = image.copy()
    with_nan[1, 2, 3:6] = np.nan
    with_nan[0, 0, 0] = np.inf
    noise = np.random.Generator(np.random.Philox(1)).random((40, 40, 40), np.float32)
    content = write(folder / "whole.nii.gz", noise).read_bytes()
    (folder / "cut.nii.gz").write_bytes(content[: len(content) // 2])
    (folder / "cut_header.nii.gz").write_bytes(content[:100])
    (folder / "cut.nii").write_bytes(gzip.decompress(content)[:5000])
    (folder / "text.nii.gz").write_bytes(gzip.compress(b"not a brain " * 99))
    (folder / "plain.nii.gz").write_text("not a brain " * 99)
    (folder / "empty.nii.gz").write_bytes(b"")
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 2
    half = values().astype(np.float32)
    half[4, 4, 4] = 1.5
    strange = values().astype(np.int16)
    strange[4, 4, 4] = 9
    strange[4, 4, 5] = 300
    nan_label = values().astype(np.float32)
    nan_label[0, 0, 0] = np.nan
    rgb = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    return {
        "missing": (None, folder / "none.nii.gz", "no such file"),
        "a folder": (None, folder, "folder|damaged|not a NIfTI"),
        "cut short": (None, folder / "cut.nii.gz", "cut short or damaged"),
        "cut in the header": (None, folder / "cut_header.nii.gz", "cut short|not a NIfTI"),
        "cut short, plain": (None, folder / "cut.nii", "cut short or damaged"),
        "zipped text": (None, folder / "text.nii.gz", "not a NIfTI file"),
        "text": (None, folder / "plain.nii.gz", "not a NIfTI file|damaged"),
        "empty file": (None, folder / "empty.nii.gz", "not a NIfTI file|damaged"),
        "singular": (None, write(folder / "flat.nii.gz", values(), flat()), "affine is singular"),
        "shape": (
            write(folder / "small.nii.gz", image[:-1]),
            good,
            r"shape \(8, 10, 11\) and its label \(9, 10, 11\)",
        ),
        "elsewhere": (write(folder / "moved.nii.gz", image, elsewhere), good, "2 mm apart"),
        "nan": (write(folder / "nan.nii.gz", with_nan), good, "4 of 990 voxels are NaN"),
        "fraction": (None, write(folder / "half.nii.gz", half), "1 of 990 label values.*1.5"),
        "nan label": (None, write(folder / "nanl.nii.gz", nan_label), "1 of 990 label values"),
        "unknown": (None, write(folder / "s.nii.gz", strange), "value 9, 300 is not .* 7 brainst"),
        "all zero": (None, write(folder / "zero.nii.gz", values() * 0), "empty"),
        "4D": (None, write(folder / "4d.nii.gz", np.stack([values()] * 2, -1)), "three dimens"),
        "colour": (None, write(folder / "rgb.nii.gz", rgb), "not plain numbers"),
    }


KINDS = (
    "missing",
    "a folder",
    "cut short",
    "cut in the header",
    "cut short, plain",
    "zipped text",
    "text",
    "empty file",
    "singular",
    "shape",
    "elsewhere",
    "nan",
    "fraction",
    "nan label",
    "unknown",
    "all zero",
    "4D",
    "colour",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_pair_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    image_path, label_path, says = broken_pairs(tmp_path)[kind]
    with pytest.raises(SubjectError, match=says) as caught:
        load_nifti_pair(image_path, label_path, "feta")
    assert "\n" not in str(caught.value)
    assert str(image_path or label_path) in str(caught.value)


def test_a_wrong_mapping_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "l.nii.gz", values())
    with pytest.raises(SubjectError, match="did you mean feta"):
        load_nifti_pair(None, path, "fetal")
    with pytest.raises(SubjectError, match=r"e\.g\. white_matter"):
        load_nifti_pair(None, path, {3: "White matter"})
    with pytest.raises(SubjectError, match="value 'a'; allowed: a whole number from 0 to 65535"):
        load_nifti_pair(None, path, {"a": "white_matter"})


def test_a_folder_is_listed_by_pattern(tmp_path: Path) -> None:
    for name in ("b2", "a1", "c3"):
        write(tmp_path / name / f"{name}_seg.nii.gz", values())
        write(tmp_path / name / f"{name}_rec-x_t2.nii.gz", values().astype(np.float32))
    write(tmp_path / "a1" / "other_seg.nii.gz", values())
    records = list_nifti_subjects(
        tmp_path, "{subject}/{subject}_seg.nii.gz", "{subject}/{subject}_*_t2.nii.gz", "feta"
    )
    assert [r["id"] for r in records] == ["a1", "b2", "c3"]
    assert records[0]["label"] == str(tmp_path / "a1" / "a1_seg.nii.gz")
    subject = load_subject(records[1], None)
    assert subject.id == "b2"
    assert subject.image is not None
    assert load_subject(records[1], 0.5).grid.spacing == (0.5, 0.5, 0.5)


def test_listing_errors(tmp_path: Path) -> None:
    write(tmp_path / "a" / "a_1.nii.gz", values())
    write(tmp_path / "a" / "a_2.nii.gz", values())
    with pytest.raises(SubjectError, match="no such folder"):
        list_nifti_subjects(tmp_path / "x", "{subject}.nii.gz", None, "feta")
    with pytest.raises(SubjectError, match=r"lacks \{subject\}"):
        list_nifti_subjects(tmp_path, "*.nii.gz", None, "feta")
    with pytest.raises(SubjectError, match="no file matches the label pattern"):
        list_nifti_subjects(tmp_path, "{subject}_seg.nii.gz", None, "feta")
    with pytest.raises(SubjectError, match="subject a has two label files"):
        list_nifti_subjects(tmp_path, "{subject}/a_*.nii.gz", None, "feta")
    with pytest.raises(SubjectError, match="subject a has no image"):
        list_nifti_subjects(tmp_path, "{subject}/a_1.nii.gz", "{subject}_t2.nii.gz", "feta")
    with pytest.raises(SubjectError, match="subject a has several images: a_1"):
        list_nifti_subjects(tmp_path, "{subject}/a_1.nii.gz", "{subject}/a_*.nii.gz", "feta")


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(SubjectError, match="did you mean nifti"):
        load_subject({"source": "nfti", "id": "x"}, None)


def test_a_phantom_record_makes_the_phantom_of_its_age_and_seed() -> None:
    record = {"source": "phantom", "id": "p7", "gestational_age_weeks": 24.0, "seed": 7}
    subject = load_subject(record, 2.0)
    assert subject.id == "p7"
    assert subject.grid.spacing == (2.0, 2.0, 2.0)
    np.testing.assert_array_equal(subject.label, phantom(24.0, 7, 2.0).label)
