"""Subjects with images of several channels: read from files, resampled and cropped."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from factory.storage.errors import SubjectError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import list_nifti_subjects, load_nifti_pair
from factory.storage.subjects.remarks import list_file_remarks
from factory.storage.subjects.resample import crop_to_shape, resample

PATTERNS = {"t2w": "{subject}_t2.nii.gz", "t1w": "{subject}_t1.nii.gz"}
TURNED = np.diag([6.0, 6.0, 6.0, 1.0])
TURNED[:2, :2] = 6 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])


def write(folder: Path, label: str, images: dict[str, str], affine: np.ndarray = TURNED) -> None:
    """A label map, and images by the names of their files, each of other intensities."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.zeros((8, 9, 10), np.uint8)
    values[1:7, 1:8, 2:9] = 3
    nib.save(nib.Nifti1Image(values, affine), folder / label)
    for seed, file in enumerate(images.values()):
        image = np.random.default_rng(seed).random(values.shape).astype(np.float32)
        nib.save(nib.Nifti1Image(image, affine), folder / file)


def test_channels_are_read_on_one_grid_in_alphabetical_order(tmp_path: Path) -> None:
    write(tmp_path, "a_seg.nii.gz", {"t1w": "a_t1.nii.gz", "t2w": "a_t2.nii.gz"})
    (record,) = list_nifti_subjects(tmp_path, "{subject}_seg.nii.gz", PATTERNS, "feta")
    assert record["channels"] == ["t1w", "t2w"]
    assert list(list_file_remarks([record])) == []
    subject = load_subject(record, None)
    assert subject.channels == ("t1w", "t2w")
    assert subject.image is not None
    assert subject.image.shape == (2, *subject.grid.shape)  # turned, so it is resampled
    assert subject.image.dtype == np.float32
    for index, file in enumerate(("a_t1.nii.gz", "a_t2.nii.gz")):
        alone = load_nifti_pair(tmp_path / file, tmp_path / "a_seg.nii.gz", "feta")
        assert alone.channels == ()
        for change in (
            lambda s: s,
            lambda s: resample(s, 4.0),
            lambda s: resample(s, 12.0),
            lambda s: crop_to_shape(s, (12, 16, 20)),
        ):
            both, one = change(subject), change(alone)
            np.testing.assert_array_equal(both.image[index], one.image)
            np.testing.assert_array_equal(both.label, one.label)


def test_a_subject_without_one_of_the_channels_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a_seg.nii.gz", {"t1w": "a_t1.nii.gz", "t2w": "a_t2.nii.gz"})
    write(tmp_path, "b_seg.nii.gz", {"t1w": "b_t1.nii.gz"})
    with pytest.raises(SubjectError, match="subject b has no image of channel t2w by the pattern"):
        list_nifti_subjects(tmp_path, "{subject}_seg.nii.gz", PATTERNS, "feta")


def test_a_bids_dataset_has_channels_by_their_suffixes(tmp_path: Path) -> None:
    suffixes = {"T1w": "sub-1_T1w.nii.gz", "T2w": "sub-1_T2w.nii.gz"}
    write(tmp_path / "sub-1" / "anat", "sub-1_dseg.nii.gz", suffixes)
    (plain,) = list_bids_subjects(tmp_path, None, "feta")
    assert "channels" not in plain
    (record,) = list_bids_subjects(tmp_path, None, "feta", images=("T2w", "T1w"))
    subject = load_subject(record, None)
    assert subject.channels == ("T2w", "T1w")
    assert subject.image is not None
    np.testing.assert_array_equal(subject.image[0], load_subject(plain, None).image)
    with pytest.raises(SubjectError, match=r"FLAIR.nii.gz: no such file, though sub-1_dseg"):
        list_bids_subjects(tmp_path, None, "feta", images=("T1w", "FLAIR"))
