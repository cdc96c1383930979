"""Slices from PNG, NIfTI, stacks and DICOM: images, labels, owners, and what is refused."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage, generate_uid

from factory.storage.errors import SubjectError
from factory.storage.subjects.slices import (
    CHAOS,
    plane_subjects,
    read_chaos_planes,
    read_nifti_planes,
    read_png_planes,
    read_short_axis_planes,
)

LABEL = np.zeros((24, 24), np.uint8)
LABEL[4:12, 4:12] = 1
LABEL[14:20, 10:20] = 2


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_dicom(
    path: Path, pixels: np.ndarray, instance: int | None = None, shown: str = "MONOCHROME2"
) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Modality, data.SOPClassUID = "MR", MRImageStorage
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, shown
    data.InstanceNumber = instance
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


def test_chaos_series_are_scaled_as_a_whole_and_labelled(chaos: Path) -> None:
    planes = read_chaos_planes(chaos, 24)
    assert [p.subject for p in planes] == ["1"] * 3 + ["15"] * 2
    assert [p.label is None for p in planes] == [False] * 3 + [True] * 2
    assert np.array_equal(planes[0].label, LABEL)  # 63 and 126 are liver and right kidney
    assert CHAOS.names[1:3] == ("liver", "right_kidney")
    first = [p.image for p in planes[:3]]
    assert first[0].shape == (1, 24, 24)
    assert min(i.min() for i in first) == -1
    assert max(i.max() for i in first) == 1
    assert first[0].min() < first[1].min() < first[2].min()  # one scale a series, not a slice
    assert read_chaos_planes(chaos, 12)[0].image.shape == (1, 12, 12)


def test_other_folders_than_chaos_are_refused_in_one_line(chaos: Path, tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no MR/<id>/T1DUAL/DICOM_anon/OutPhase here"):
        read_chaos_planes(chaos, 24, "OutPhase")
    ground = chaos / "MR" / "1" / "T1DUAL" / "Ground"
    write_png(ground / "IMG-00000.png", LABEL * np.uint8(60))
    with pytest.raises(SubjectError, match="label 60; allowed: 0, 63, 126, 189, 252"):
        read_chaos_planes(chaos, 24)
    (ground / "IMG-00000.png").unlink()
    with pytest.raises(SubjectError, match="3 slices, but 2 label maps"):
        read_chaos_planes(chaos, 24)
    dicom = chaos / "MR" / "15" / "T1DUAL" / "DICOM_anon" / "InPhase" / "IMG-00000.dcm"
    write_png(ground / "IMG-00000.png", LABEL)
    for file in ground.iterdir():
        write_png(file, LABEL * np.uint8(63))
    dicom.write_bytes(b"not a DICOM file")
    with pytest.raises(SubjectError, match="the slice cannot be read"):
        read_chaos_planes(chaos, 24)


def numbered(
    root: Path, slices: dict[str, int | None], masks: dict[str, int], contrast: str = "InPhase"
) -> None:
    """A series of slices, by name with their InstanceNumber, and label maps, by name with the
    number of the slice that they are of: slice n is bright in n rows, its label map n rows high.
    """
    series = root / "MR" / "1" / "T1DUAL"
    rows = np.arange(24)[:, None] * np.ones((1, 24), int)
    for name, instance in slices.items():
        number = int(name.split("-")[-1]) if instance is None else instance
        pixels = 100 * (rows < number)
        write_dicom(series / "DICOM_anon" / contrast / f"{name}.dcm", pixels, instance)
    for name, number in masks.items():
        label = np.where(rows < number, 63, 0).astype(np.uint8)
        write_png(series / "Ground" / f"{name}.png", label)


def check_pairs(root: Path, count: int, contrast: str = "InPhase") -> None:
    """Every label is where its slice is bright, and slices come in the order of their numbers."""
    planes = read_chaos_planes(root, 24, contrast)
    heights = [int((p.image[0, :, 0] > 0).sum()) for p in planes]
    assert heights == sorted(heights)
    assert len(planes) == count
    for plane in planes:
        np.testing.assert_array_equal(plane.label > 0, plane.image[0] > 0)


def test_unpadded_slices_find_their_padded_label_maps(tmp_path: Path) -> None:
    numbers = range(1, 12)
    numbered(tmp_path, {f"IM-{n}": None for n in numbers}, {f"IMG-{n:04d}": n for n in numbers})
    check_pairs(tmp_path, 11)


def test_slices_find_their_label_maps_by_the_numbers_in_their_headers(tmp_path: Path) -> None:
    """The numbers in the files' names start at the scanner's own count."""
    slices = {f"IM-0001-{70 - n:04d}": n for n in range(1, 12)}
    masks = {f"IM-0001-{n:04d}": n for n in range(1, 12)}
    numbered(tmp_path, slices, masks)
    planes = read_chaos_planes(tmp_path, 24)
    assert len(planes) == 11
    for plane in planes:
        np.testing.assert_array_equal(plane.label > 0, plane.image[0] > 0)


def test_a_whole_name_goes_before_any_number(tmp_path: Path) -> None:
    series = tmp_path / "MR" / "1" / "T1DUAL"
    numbered(tmp_path, {f"IMG-{n}": None for n in (2, 10, 1)}, {f"IMG-{n}": n for n in (1, 2, 10)})
    for path in (series / "DICOM_anon" / "InPhase").iterdir():
        data = pydicom.dcmread(path)
        data.InstanceNumber = 11 - int(path.stem.split("-")[-1])
        data.save_as(path)
    check_pairs(tmp_path, 3)


def test_the_other_echo_has_the_label_maps_between_its_numbers(tmp_path: Path) -> None:
    """CHAOS numbers the two echoes in turn and names Ground after one of them."""
    slices = {f"IMG-0004-{n:05d}": None for n in (1, 3, 5, 7)}
    numbered(tmp_path, slices, {f"IMG-0004-{n + 1:05d}": n for n in (1, 3, 5, 7)}, "OutPhase")
    check_pairs(tmp_path, 4, "OutPhase")


@pytest.mark.parametrize(
    ("slices", "masks", "says"),
    [
        (
            {f"IM-{n}": n for n in (1, 2, 3)},
            {f"M-{n}": n for n in (1, 2, 4)},
            r"3 slices, but 3 label maps; IM-3\.dcm has no partner",
        ),
        (
            {f"IM-{n}": n for n in (1, 2, 3)},
            {f"M-{n:02d}": n for n in (1, 2, 3, 4)},
            r"3 slices, but 4 label maps; M-04\.png has no partner",
        ),
        (
            {f"IM-{n}": 4 - n for n in (1, 2, 3)},
            {f"M-{n}": n for n in (1, 2, 3)},
            r"IM-1\.dcm: its label map is M-3\.png by its InstanceNumber, but M-1\.png by its name",
        ),
        (
            {"a-x": 1, "b-x": 2},
            {"m": 1, "n": 2},
            "2 slices, but 2 label maps; allowed: one for each slice",
        ),
    ],
)
def test_slices_without_a_certain_partner_are_refused(
    tmp_path: Path, slices: dict[str, int | None], masks: dict[str, int], says: str
) -> None:
    numbered(tmp_path, slices, masks)
    with pytest.raises(SubjectError, match=says) as caught:
        read_chaos_planes(tmp_path, 24)
    assert "\n" not in str(caught.value)


def test_a_label_map_of_another_size_is_refused(chaos: Path) -> None:
    write_png(chaos / "MR" / "1" / "T1DUAL" / "Ground" / "IMG-00001.png", LABEL[:-1])
    with pytest.raises(SubjectError, match=r"IMG-00001\.png: the label map has shape \(23, 24\)"):
        read_chaos_planes(chaos, 24)


def test_a_slice_whose_least_value_is_white_is_turned(tmp_path: Path) -> None:
    series = tmp_path / "MR" / "1" / "T1DUAL" / "DICOM_anon" / "InPhase"
    for name, pixels, shown in (("a", LABEL, "MONOCHROME2"), ("b", 2 - LABEL, "MONOCHROME1")):
        for path in series.glob("*.dcm"):
            path.unlink()
        write_dicom(series / f"{name}.dcm", pixels, 1, shown)
        [plane] = read_chaos_planes(tmp_path, 24)
        np.testing.assert_array_equal(plane.image[0], LABEL - 1.0)


def test_an_unreadable_compression_names_its_file(chaos: Path) -> None:
    path = chaos / "MR" / "1" / "T1DUAL" / "DICOM_anon" / "InPhase" / "IMG-00000.dcm"
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([dataset.PixelData])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    with pytest.raises(SubjectError, match=r"IMG-00000.dcm: the slice cannot be read"):
        read_chaos_planes(chaos, 24)


def test_the_subject_of_a_png_is_in_its_name(tmp_path: Path) -> None:
    grey = (LABEL * 100).astype(np.uint8)
    for name in ("images/p07_1.png", "images/p07_2.png", "images/p08_1.png"):
        write_png(tmp_path / name, grey)
    write_png(tmp_path / "images/anna/scan.png", grey)
    write_png(tmp_path / "labels/p07_2.png", LABEL)
    planes = read_png_planes(tmp_path / "images", 24, tmp_path / "labels")
    assert sorted(plane_subjects(planes)) == ["anna", "p07", "p08"]
    assert [p.label is not None for p in planes].count(True) == 1
    np.testing.assert_allclose(planes[0].image[0], grey / 255 * 2 - 1, atol=1e-6)


def test_pngs_of_several_channels_bits_and_shapes(tmp_path: Path) -> None:
    write_png(tmp_path / "a" / "x_1.png", np.full((8, 16, 3), 255, np.uint8))
    [plane] = read_png_planes(tmp_path / "a", 16)
    assert plane.image.shape == (3, 16, 16)
    assert (plane.image[:, 6:10] == 1).all()
    assert (plane.image[:, 0] == -1).all()  # padded to a square
    write_png(tmp_path / "b" / "x_1.png", np.full((8, 8), 65535, np.uint16))
    assert (read_png_planes(tmp_path / "b", 8)[0].image == 1).all()


def test_unusable_pictures_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match=r"no \.png in this folder"):
        read_png_planes(tmp_path, 8)
    (tmp_path / "x_1.png").write_bytes(b"text")
    with pytest.raises(SubjectError, match="not a readable picture"):
        read_png_planes(tmp_path, 8)
    write_png(tmp_path / "x_1.png", np.zeros((8, 8), np.uint8))
    write_png(tmp_path / "x_2.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SubjectError, match=r"3 channels, but x_1\.png has 1"):
        read_png_planes(tmp_path, 8)


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
    planes = read_nifti_planes(tmp_path, "{subject}/t2.nii.gz", "{subject}/seg.nii.gz", 24)
    assert [p.subject for p in planes] == ["s1"] * 3 + ["s2"] * 3
    assert np.array_equal(planes[0].label, LABEL)
    assert all(
        p.label is None for p in read_nifti_planes(tmp_path, "{subject}/t2.nii.gz", None, 24)
    )
    with pytest.raises(SubjectError, match="no file matches"):
        read_nifti_planes(tmp_path, "{subject}/t1.nii.gz", None, 24)


def test_stacks_belong_to_persons_and_show_their_hearts(hearts: Path) -> None:
    planes = read_short_axis_planes(hearts, 32, 3.0)
    assert len({p.subject for p in planes}) == 6
    assert all(p.image.shape == (1, 32, 32) and p.label.any() for p in planes)
    assert all(p.image.min() >= -1 and p.image.max() <= 1 for p in planes)
    only = read_short_axis_planes(hearts, 32, 3.0, ["P2"])
    assert {p.subject for p in only} == {"P2"}


@settings(max_examples=20, deadline=None)
@given(st.integers(116, 142), st.floats(0.15, 0.3), st.tuples(st.just(0.2), st.floats(0.3, 0.5)))
@example(127, 0.15, (0.2, 0.3))
@example(129, 0.15, (0.2, 0.3))
def test_areas_are_kept_at_nearly_the_same_resolution(
    tmp_path_factory: pytest.TempPathFactory, side: int, size: float, centre: tuple[float, float]
) -> None:
    """The disc lies off the middle: a centred one can only grow by eight pixels at once."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2 - np.reshape(centre, (2, 1, 1))
    disc = (np.hypot(y, x) < size * side).astype(np.uint8)
    folder = tmp_path_factory.mktemp("discs")
    for name in ("i", "l"):
        write_png(folder / name / "x_1.png", disc)
    [plane] = read_png_planes(folder / "i", 128, folder / "l")
    assert plane.label is not None
    assert plane.label.mean() == pytest.approx(disc.mean(), rel=0.01)


def test_volumes_with_unusable_values_or_places_are_refused(tmp_path: Path) -> None:
    good = np.zeros((24, 24, 5), np.float32)
    good[4:20, 4:20, 1:4] = 1
    nan, half, many = good.copy(), good / 2, good * 300
    nan[0, 0, 0] = np.nan
    for image, label, affine, says in (
        (nan, good, np.eye(4), r"a_t2\.nii: 1 of 2880 voxels are NaN"),
        (good, half, np.eye(4), r"a_seg\.nii: 768 of 2880 label values are not whole numbers"),
        (good, many, np.eye(4), r"a_seg\.nii: labels run from 0 to 300; allowed: 0 to 255"),
        (
            good,
            good,
            np.diag([-1.0, 1, 1, 1]),
            r"a_t2\.nii: the image and its label .* mm apart",
        ),
    ):
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "a_t2.nii")
        nib.save(nib.Nifti1Image(label, affine), tmp_path / "a_seg.nii")
        with pytest.raises(SubjectError, match=says):
            read_nifti_planes(tmp_path, "{subject}_t2.nii", "{subject}_seg.nii", 24)


def test_labels_survive_halving(tmp_path: Path) -> None:
    write_png(tmp_path / "i" / "x_1.png", LABEL)
    write_png(tmp_path / "l" / "x_1.png", LABEL)
    [plane] = read_png_planes(tmp_path / "i", 12, tmp_path / "l")
    assert np.array_equal(plane.label, LABEL[::2, ::2])
