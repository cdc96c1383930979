from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heads import head

from factory.anatomy import measures as m
from factory.anatomy.edits.dilate_ventricles.edit import dilate_ventricles
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA

ONE = (1.0, 1.0, 1.0)
GROWS = ["white_matter", "deep_grey_matter"]


def test_the_patients_left_is_at_low_x() -> None:
    label = head(left_mm=6, right_mm=12)
    widths = m.atrial_width_mm(label, ONE, FETA)
    assert widths["left"] == pytest.approx(6, abs=1)
    assert widths["right"] == pytest.approx(12, abs=1)
    mirrored = m.atrial_width_mm(label[:, :, ::-1], ONE, FETA)
    assert mirrored["left"] == pytest.approx(widths["right"], abs=0.3)


@settings(max_examples=8, deadline=None)
@given(
    width=st.floats(5, 16),
    voxel=st.sampled_from([0.8, 1.0, 1.2]),
    splay=st.floats(-5, 25),
    yaw=st.floats(-8, 8),
    roll=st.floats(-5, 5),
)
def test_the_width_of_a_tube_is_measured_to_a_voxel(
    width: float, voxel: float, splay: float, yaw: float, roll: float
) -> None:
    label = head((voxel,) * 3, width, width, splay, yaw, roll)
    for side in m.atrial_width_mm(label, (voxel,) * 3, FETA).values():
        assert side == pytest.approx(width, abs=voxel)


def test_anisotropic_voxels_measure_the_same() -> None:
    for spacing in ((3.0, 1.0, 1.0), (1.0, 0.8, 1.2)):
        widths = m.atrial_width_mm(head(spacing, 9, 9), spacing, FETA)
        assert widths["left"] == pytest.approx(9, abs=1)


@pytest.mark.parametrize("into", [GROWS[:1], GROWS])
def test_growing_a_ventricle_by_r_widens_it_by_two_r(into: list[str]) -> None:
    label = head(left_mm=7, right_mm=7)
    width = 0.0
    for radius in (0, 1, 2, 3, 4, 5):
        grown, _ = dilate_ventricles(label, ONE, FETA, radius, into)
        wider = m.atrial_width_mm(grown, ONE, FETA)["left"]
        assert wider is not None
        assert wider >= width
        assert wider == pytest.approx(7 + 2 * radius, abs=1)
        width = wider


def test_one_side_alone_is_measured_alone() -> None:
    label = head(left_mm=0, right_mm=9)
    columns = m.measure(label, ONE, FETA)
    assert columns["atrial_width_left_mm"] is None
    assert columns["atrial_width_mm"] == columns["atrial_width_right_mm"]
    assert columns["atrial_width_mm"] == pytest.approx(9, abs=1)


def test_the_lateral_volume_excludes_the_third_and_fourth_ventricle() -> None:
    alone, all_of_them = (m.measure(head(others=o), ONE, FETA) for o in (False, True))
    lateral = "volume_ml_lateral_ventricles"
    assert all_of_them["volume_ml_ventricles"] > 1.2 * alone["volume_ml_ventricles"]
    assert all_of_them[lateral] == pytest.approx(alone[lateral], rel=0.05)
    assert all_of_them["atrial_width_mm"] == alone["atrial_width_mm"]


def test_the_real_atlas_widens_steadily_as_its_ventricles_grow(real_data: Path) -> None:
    atlas = real_data / "fetal-spina-bifida"
    for record in list_bids_subjects(atlas, None, None, ["ga22pre", "ga34op"]):
        subject = load_subject(record, 1.0)
        widths = []
        for radius in (0, 1, 3):
            grown, _ = dilate_ventricles(subject.label, ONE, FETA, radius, GROWS)
            width = m.atrial_width_mm(grown, ONE, FETA)
            widths.append(max(width["left"], width["right"]))
        steps = np.diff(widths)
        assert steps.min() > 0
        assert steps[0] == pytest.approx(2, abs=1)
        assert 10 < widths[0] < 22
