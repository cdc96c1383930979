"""Units, sizes and sides: what a header says is read, and what it leaves open gives a remark."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.storage.errors import SubjectError
from factory.storage.subjects.nifti import load_nifti_pair
from factory.storage.subjects.nifti_header import orientation_remark
from factory.storage.subjects.short_axis import list_short_axis_subjects, load_short_axis

LABEL = np.zeros((40, 44, 36), np.uint8)
LABEL[5:35, 6:40, 4:30] = 3
LABEL[6:12, 8:12, 5:9] = 4  # at the left in RAS+: x low

MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}


def write(path: Path, voxel: float, unit: str = "unknown") -> Path:
    image = nib.Nifti1Image(LABEL, np.diag([voxel, voxel, voxel, 1]))
    image.header.set_xyzt_units(xyz=unit)
    nib.save(image, path)
    return path


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(MM)), st.floats(1, 5))
def test_a_head_is_as_large_as_its_unit_says(
    tmp_path_factory: pytest.TempPathFactory, unit: str, mm: float
) -> None:
    path = write(tmp_path_factory.mktemp("units") / "a.nii", mm / MM[unit], unit)
    subject = load_nifti_pair(None, path, "feta")
    assert subject.grid.spacing == pytest.approx((mm,) * 3, rel=1e-3)
    np.testing.assert_allclose(np.diag(subject.grid.affine)[:3], mm, rtol=1e-3)


@pytest.mark.parametrize(
    ("voxel", "unit", "size"),
    [
        (0.003, "mm", "0.078 × 0.102 × 0.09"),
        (0.08, "unknown", "2.08 × 2.72 × 2.4"),  # centimetres
        (0.0008, "unknown", "0.0208 × 0.0272 × 0.024"),  # metres that say so nowhere
        (800.0, "unknown", r"2.08e\+04 × 2.72e\+04 × 2.4e\+04"),  # micrometres
        (0.8, "meter", "× 2.72e"),
        (0.8, "micron", "0.0208 ×"),
    ],
)
def test_a_size_that_no_head_has_is_refused_in_one_line(
    tmp_path: Path, voxel: float, unit: str, size: str
) -> None:
    path = write(tmp_path / "wrong.nii.gz", voxel, unit)
    with pytest.raises(SubjectError, match=size) as caught:
        load_nifti_pair(None, path, "feta")
    assert str(path) in str(caught.value)
    assert "allowed: 20 to 400 mm along the longest side" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(LABEL, np.eye(4))
    image.header["xyzt_units"] = 5
    path = tmp_path / "unit.nii"
    nib.save(image, path)
    path.write_bytes(path.read_bytes()[:123] + bytes([5]) + path.read_bytes()[124:])
    with pytest.raises(
        SubjectError, match=r"unit.nii: xyzt_units has the unit of space 5; allowed"
    ):
        load_nifti_pair(None, path, "feta")


@pytest.mark.parametrize("voxel", [0.1, 1500.0])
def test_a_size_that_no_heart_has_is_refused(hearts: Path, tmp_path: Path, voxel: float) -> None:
    record = dict(list_short_axis_subjects(hearts)[0])
    for key in ("label", "image"):
        values = np.asarray(nib.load(record[key]).dataobj)
        path = tmp_path / f"{key}.nii"
        nib.save(nib.Nifti1Image(values, np.diag([voxel, voxel, 8, 1])), path)
        record[key] = str(path)
    with pytest.raises(SubjectError, match=r"label.nii: the labelled heart is .* mm \(y, x\)"):
        load_short_axis(record, 1.5)


def test_a_heart_in_metres_is_the_heart_in_millimetres(hearts: Path, tmp_path: Path) -> None:
    record = list_short_axis_subjects(hearts)[0]
    metres = dict(record)
    for key in ("label", "image"):
        image = nib.Nifti1Image(np.asarray(nib.load(record[key]).dataobj), None)
        image.header.set_sform(np.diag([1e-3, 1e-3, 8e-3, 1]), code=1)
        image.header.set_xyzt_units(xyz="meter")
        metres[key] = str(tmp_path / f"{key}.nii")
        nib.save(image, metres[key])
    one, other = (load_short_axis(r, 1.5) for r in (record, metres))
    np.testing.assert_array_equal(one.label, other.label)
    assert other.grid.spacing == pytest.approx((8.0, 1.5, 1.5))


NATIVE = np.array([[2.0, 0, 0, -40], [0, 2, 0, -44], [0, 0, 2, -36], [0, 0, 0, 1]])
LEFT = NATIVE * np.array([-1, 1, 1, 1])
"""The same with the first axis to the left."""


def turned(affine: np.ndarray, degrees: float, larger: float = 1.0) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ (
        affine * np.array([larger, larger, larger, 1])
    )


def placed(
    path: Path, sform: np.ndarray | None, scode: int, qform: np.ndarray | None, qcode: int
) -> Path:
    image = nib.Nifti1Image(LABEL, None)
    image.header.set_zooms((2, 2, 2))
    image.header.set_sform(sform, code=scode)
    if qform is not None:
        image.header.set_qform(qform, code=qcode)
    nib.save(image, path)
    return path


def test_transforms_that_agree_give_no_remark(tmp_path: Path) -> None:
    for name, case in {
        "sform": (NATIVE, 1, None, 0),
        "qform": (None, 0, NATIVE, 1),
        "both": (NATIVE, 4, NATIVE, 1),
        "nearly": (NATIVE, 1, turned(NATIVE, 0.3, 1.002), 2),
    }.items():
        assert orientation_remark(placed(tmp_path / f"{name}.nii", *case)) is None, name


@pytest.mark.parametrize(
    ("case", "says", "left_is_low"),
    [
        ((NATIVE, 4, LEFT, 1), "code 4, mni) and the qform (code 1, scanner) differ: their axes "
         "run RAS and LAS; the sform is used", True),
        ((LEFT, 2, NATIVE, 1), "axes run LAS and RAS; the sform is used", False),
        ((turned(NATIVE, 7), 4, NATIVE, 1), "turned by 7.0° against each other", True),
        ((turned(NATIVE, 0, 1.1), 4, NATIVE, 1), "sform are 1.1 times as large", True),
        ((None, 0, None, 0), "neither an sform nor a qform is given", False),
    ],
)  # fmt: skip
def test_a_remark_says_which_transform_is_used(
    tmp_path: Path, case: tuple, says: str, left_is_low: bool
) -> None:
    """The ventricle lies at the file's low x: at the left where x runs to the right."""
    path = placed(tmp_path / "one.nii", *case)
    remark = orientation_remark(path)
    assert remark is not None
    assert says in remark
    label = load_nifti_pair(None, path, "feta").label
    x = np.argwhere(label == 4).mean(axis=0)[2] - np.argwhere(label == 3).mean(axis=0)[2]
    assert (x < 0) == left_is_low


def test_a_file_that_cannot_be_read_has_no_remark(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("not a brain")
    assert orientation_remark(tmp_path / "text.nii") is None
    assert orientation_remark(tmp_path / "none.nii") is None
