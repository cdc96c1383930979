"""Slices from PNG, NIfTI, stacks and DICOM: images, labels, owners, and what is refused."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage, generate_uid

from factory.storage.errors import SubjectError
from factory.storage.subjects.slices import (
    CHAOS,
    chaos_planes,
    nifti_planes,
    png_planes,
    short_axis_planes,
    subjects_of,
)

LABEL = np.zeros((24, 24), np.uint8)
LABEL[4:12, 4:12] = 1
LABEL[14:20, 10:20] = 2


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_dicom(path: Path, pixels: np.ndarray) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Modality, data.SOPClassUID = "MR", MRImageStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = pixels.astype(np.uint16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


@pytest.fixture
def chaos(tmp_path: Path) -> Path:
    """Two series in the layout of CHAOS, the second without labels."""
    for patient, slices in (("1", 3), ("15", 2)):
        for z in range(slices):
            pixels = LABEL.astype(int) * 100 + 10 * z
            series = tmp_path / "MR" / patient / "T1DUAL"
            write_dicom(series / "DICOM_anon" / "InPhase" / f"IMG-{z:05d}.dcm", pixels)
            if patient == "1":
                write_png(series / "Ground" / f"IMG-{z:05d}.png", LABEL * np.uint8(63))
    return tmp_path


def test_chaos_series_are_scaled_as_a_whole_and_labels_told(chaos: Path) -> None:
    planes = chaos_planes(chaos, 24)
    assert [p.subject for p in planes] == ["1"] * 3 + ["15"] * 2
    assert [p.label is None for p in planes] == [False] * 3 + [True] * 2
    assert np.array_equal(planes[0].label, LABEL)  # 63 and 126 are liver and right kidney
    assert CHAOS.names[1:3] == ("liver", "right_kidney")
    first = [p.image for p in planes[:3]]
    assert first[0].shape == (1, 24, 24)
    assert min(i.min() for i in first) == -1
    assert max(i.max() for i in first) == 1
    assert first[0].min() < first[1].min() < first[2].min()  # one scale a series, not a slice
    assert chaos_planes(chaos, 12)[0].image.shape == (1, 12, 12)


def test_what_is_no_chaos_is_one_line(chaos: Path, tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no MR/<id>/T1DUAL/DICOM_anon/OutPhase here"):
        chaos_planes(chaos, 24, "OutPhase")
    ground = chaos / "MR" / "1" / "T1DUAL" / "Ground"
    write_png(ground / "IMG-00000.png", LABEL * np.uint8(60))
    with pytest.raises(SubjectError, match="label 60; allowed: 0, 63, 126, 189, 252"):
        chaos_planes(chaos, 24)
    (ground / "IMG-00000.png").unlink()
    with pytest.raises(SubjectError, match="3 slices, but 2 label maps"):
        chaos_planes(chaos, 24)
    dicom = chaos / "MR" / "15" / "T1DUAL" / "DICOM_anon" / "InPhase" / "IMG-00000.dcm"
    write_png(ground / "IMG-00000.png", LABEL)
    for file in ground.iterdir():
        write_png(file, LABEL * np.uint8(63))
    dicom.write_bytes(b"not a DICOM file")
    with pytest.raises(SubjectError, match="a slice cannot be read"):
        chaos_planes(chaos, 24)


def test_a_compression_that_cannot_be_undone_is_told_with_its_file(chaos: Path) -> None:
    path = chaos / "MR" / "1" / "T1DUAL" / "DICOM_anon" / "InPhase" / "IMG-00000.dcm"
    found = pydicom.dcmread(path)
    found.file_meta.TransferSyntaxUID = JPEG2000Lossless
    found.PixelData = encapsulate([found.PixelData])
    found["PixelData"].VR = "OB"
    found.save_as(path)
    with pytest.raises(SubjectError, match=r"IMG-00000.dcm: a slice cannot be read"):
        chaos_planes(chaos, 24)


def test_pngs_belong_to_whom_their_names_say(tmp_path: Path) -> None:
    grey = (LABEL * 100).astype(np.uint8)
    for name in ("images/p07_1.png", "images/p07_2.png", "images/p08_1.png"):
        write_png(tmp_path / name, grey)
    write_png(tmp_path / "images/anna/scan.png", grey)
    write_png(tmp_path / "labels/p07_2.png", LABEL)
    planes = png_planes(tmp_path / "images", 24, tmp_path / "labels")
    assert sorted(subjects_of(planes)) == ["anna", "p07", "p08"]
    assert [p.label is not None for p in planes].count(True) == 1
    np.testing.assert_allclose(planes[0].image[0], grey / 255 * 2 - 1, atol=1e-6)


def test_pngs_of_several_channels_bits_and_shapes(tmp_path: Path) -> None:
    write_png(tmp_path / "a" / "x_1.png", np.full((8, 16, 3), 255, np.uint8))
    [plane] = png_planes(tmp_path / "a", 16)
    assert plane.image.shape == (3, 16, 16)
    assert (plane.image[:, 6:10] == 1).all()
    assert (plane.image[:, 0] == -1).all()  # padded to a square
    write_png(tmp_path / "b" / "x_1.png", np.full((8, 8), 65535, np.uint16))
    assert (png_planes(tmp_path / "b", 8)[0].image == 1).all()


def test_pictures_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match=r"no \.png in this folder"):
        png_planes(tmp_path, 8)
    (tmp_path / "x_1.png").write_bytes(b"text")
    with pytest.raises(SubjectError, match="not a readable picture"):
        png_planes(tmp_path, 8)
    write_png(tmp_path / "x_1.png", np.zeros((8, 8), np.uint8))
    write_png(tmp_path / "x_2.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SubjectError, match=r"3 channels, but x_1\.png has 1"):
        png_planes(tmp_path, 8)


def test_nifti_volumes_are_cut_into_their_filled_slices(tmp_path: Path) -> None:
    volume = np.zeros((5, 24, 24), np.float32)
    volume[1:4] = LABEL * 50
    for who in ("s1", "s2"):
        for name, data in (("t2", volume), ("seg", np.broadcast_to(LABEL, volume.shape))):
            (tmp_path / who).mkdir(exist_ok=True)
            nib.save(
                nib.Nifti1Image(np.ascontiguousarray(data.T), np.eye(4)),
                tmp_path / who / f"{name}.nii.gz",
            )
    planes = nifti_planes(tmp_path, "{subject}/t2.nii.gz", "{subject}/seg.nii.gz", 24)
    assert [p.subject for p in planes] == ["s1"] * 3 + ["s2"] * 3
    assert np.array_equal(planes[0].label, LABEL)
    assert all(p.label is None for p in nifti_planes(tmp_path, "{subject}/t2.nii.gz", None, 24))
    with pytest.raises(SubjectError, match="no file matches"):
        nifti_planes(tmp_path, "{subject}/t1.nii.gz", None, 24)


def test_stacks_belong_to_persons_and_show_their_hearts(hearts: Path) -> None:
    planes = short_axis_planes(hearts, 32, 3.0)
    assert len({p.subject for p in planes}) == 6
    assert all(p.image.shape == (1, 32, 32) and p.label.any() for p in planes)
    assert all(p.image.min() >= -1 and p.image.max() <= 1 for p in planes)
    only = short_axis_planes(hearts, 32, 3.0, ["P2"])
    assert {p.subject for p in only} == {"P2"}


def test_labels_survive_halving(tmp_path: Path) -> None:
    write_png(tmp_path / "i" / "x_1.png", LABEL)
    write_png(tmp_path / "l" / "x_1.png", LABEL)
    [plane] = png_planes(tmp_path / "i", 12, tmp_path / "l")
    assert np.array_equal(plane.label, LABEL[::2, ::2])
