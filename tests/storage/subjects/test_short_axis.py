"""Short-axis stacks: listing, loading, and what is refused."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factory.storage.errors import SubjectError
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.short_axis import (
    HEART,
    list_short_axis_subjects,
    load_short_axis,
    turn_apex_first,
)


def test_a_person_has_two_records_and_a_vendor(hearts: Path) -> None:
    records = list_short_axis_subjects(hearts)
    assert [r["id"] for r in records[:3]] == ["P0-ED", "P0-ES", "P1-ED"]
    assert {r["vendor"] for r in records} == {"Siemens", "Philips"}
    assert {r["person"] for r in list_short_axis_subjects(hearts, ["P3"])} == {"P3"}


def test_planes_are_resampled_and_centred_on_the_heart_and_slices_kept(hearts: Path) -> None:
    [record, _] = list_short_axis_subjects(hearts, ["P1"])
    raw = np.asarray(nib.load(record["label"]).dataobj).T
    subject = load_subject(record, 1.5)
    assert subject.label.shape == (len(raw), 128, 128)
    assert subject.grid.spacing == (8.0, 1.5, 1.5)
    assert subject.table is HEART
    for value in (1, 2, 3):
        area = (raw == value).sum() / 1.5**2
        assert (subject.label == value).sum() == pytest.approx(area, rel=0.02)
    filled = [np.flatnonzero(subject.label.any(axis=axes)) for axes in ((0, 2), (0, 1))]
    for rows in filled:
        assert abs((rows[0] + rows[-1]) / 2 - 63.5) <= 0.5
    assert subject.image is not None
    assert subject.image[subject.label == 1].mean() > 2 * subject.image[subject.label == 2].mean()
    assert (subject.image[:, 0, 0] == 0).all()  # beyond the file's edge


def test_at_its_own_spacing_a_label_map_keeps_its_voxels(hearts: Path) -> None:
    record = list_short_axis_subjects(hearts)[0]
    raw = np.asarray(nib.load(record["label"]).dataobj).T
    subject = load_short_axis(record, None)
    assert [(subject.label == v).sum() for v in (1, 2, 3)] == pytest.approx(
        [(raw == v).sum() for v in (1, 2, 3)], rel=0.02
    )


near_one = st.one_of(st.floats(0.9, 1.1), st.floats(0.997, 1.003))


@settings(max_examples=10, deadline=None)
@given(near_one, near_one, st.tuples(*[st.floats(-0.5, 0.5)] * 2))
@example(1.0005, 1.0005, (0.0, 0.0))
@example(1.003, 1.003, (0.0, 0.0))
@example(1.018, 0.99, (0.25, 0.0))
def test_areas_are_kept_where_a_file_has_nearly_the_requested_spacing(
    tmp_path_factory: pytest.TempPathFactory, dy: float, dx: float, centre: tuple[float, float]
) -> None:
    """A pool of 18 to 22 mm in a wall of 9, in planes of their own."""
    y, x = np.mgrid[:140, :150] - np.array([70, 75])[:, None, None] - np.reshape(centre, (2, 1, 1))
    radius = np.hypot(y * dy, x * dx)
    pools = np.linspace(18, 22, 5)
    label = np.stack([np.where(radius < r, 1, 2 * (radius < r + 9)) for r in pools])
    folder = tmp_path_factory.mktemp("heart")
    record = {"id": "one", "person": "one", "phase": "ED", "vendor": "none"}
    for name in ("label", "image"):
        file = nib.Nifti1Image(label.T.astype(np.int16), np.diag([dx, dy, 8, 1]))
        nib.save(file, folder / f"{name}.nii")
        record[name] = str(folder / f"{name}.nii")
    resampled = load_short_axis(record, 1.0).label
    areas = [(label == value).sum() * dx * dy for value in (1, 2)]
    assert [(resampled == value).sum() for value in (1, 2)] == pytest.approx(areas, rel=0.01)
    discs = [np.pi * (pools**2).sum(), np.pi * ((pools + 9) ** 2 - pools**2).sum()]
    assert areas == pytest.approx(discs, rel=0.02)


def test_a_stack_is_turned_so_that_the_apex_comes_first(hearts: Path) -> None:
    label = load_short_axis(list_short_axis_subjects(hearts)[0], None).label
    index = np.arange(len(label))
    for stored in (label, label[::-1]):
        turned, order = turn_apex_first(stored, index)
        assert np.array_equal(turned, label)
        assert order[0] == (0 if stored is label else len(label) - 1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: v[:, :, :-1], "its labels"),
        (lambda v: np.zeros_like(v), "every voxel is background"),
        (lambda v: v * 3, r"labels are \[0, 3, 6, 9\]; allowed"),
    ],
)
def test_a_bad_stack_is_refused_in_one_line(
    hearts: Path, tmp_path: Path, spoil, message: str
) -> None:
    record = list_short_axis_subjects(hearts)[0]
    values = np.asarray(nib.load(record["label"]).dataobj)
    path = tmp_path / "x_gt.nii.gz"
    nib.save(nib.Nifti1Image(spoil(values), np.eye(4)), path)
    with pytest.raises(SubjectError, match=message) as caught:
        load_short_axis({**record, "label": str(path)}, 1.5)
    assert "\n" not in str(caught.value)


def test_missing_files_and_participants_are_named(hearts: Path, tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no such file, so this is not a folder of stacks"):
        list_short_axis_subjects(tmp_path)
    with pytest.raises(SubjectError, match="no participant P33; did you mean P3"):
        list_short_axis_subjects(hearts, ["P33"])
    with pytest.raises(
        SubjectError, match=r"the heart is \d+ voxels of 0.3 mm wide; allowed: at most"
    ):
        load_short_axis(list_short_axis_subjects(hearts)[4], 0.3)
    (tmp_path / "participants.csv").write_text("External code,VendorName\nQ,Siemens\n")
    with pytest.raises(SubjectError, match=r"Q_ED_sa\.nii\.gz: no such file"):
        list_short_axis_subjects(tmp_path)


def test_the_real_stacks_load(real_data: Path) -> None:
    root = real_data / "cardiac-mnms"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    records = list_short_axis_subjects(root)
    assert len(records) == 80
    subject = load_short_axis(records[0], 1.5)
    assert subject.label.shape[1:] == (128, 128)
    assert set(np.unique(subject.label)) == {0, 1, 2, 3}
