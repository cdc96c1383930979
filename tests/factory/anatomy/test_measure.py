import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.anatomy import measure as m
from factory.anatomy.ventricles import dilate_ventricles
from factory.errors import AnatomyError
from storage.bids import bids_subjects
from storage.sources import load_subject
from storage.subject import FETA, LabelTable

sys.path.insert(0, str(Path(__file__).parent))
from heads import HALF_MM, head

ONE = (1.0, 1.0, 1.0)
GROWS = ["white_matter", "deep_grey_matter"]


def test_volumes_are_voxels_times_their_size() -> None:
    label = np.zeros((10, 10, 10), np.uint8)
    label[2:4, 1:6, 3:7] = FETA.index("cerebellum")
    label[5, 5, 5] = FETA.index("brainstem")
    volumes = m.volumes_ml(label, (0.5, 2.0, 1.5), FETA)
    assert list(volumes) == list(FETA.names[1:])
    assert volumes["cerebellum"] == pytest.approx(40 * 1.5 / 1000)
    assert volumes["brainstem"] == pytest.approx(1.5 / 1000)
    assert volumes["white_matter"] == 0


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
def test_the_width_of_a_tube_is_found_to_a_voxel(
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


def test_measures_are_plain_json_and_none_where_they_do_not_apply() -> None:
    columns = m.measure(head(left_mm=7, right_mm=10), ONE, FETA)
    assert json.loads(json.dumps(columns, allow_nan=False)) == columns
    assert columns["atrial_width_mm"] == columns["atrial_width_right_mm"]
    assert columns["volume_ml_lateral_ventricles"] == columns["volume_ml_ventricles"] > 2
    bare = head()
    bare[bare == FETA.index("ventricles")] = FETA.index("white_matter")
    columns = m.measure(bare, ONE, FETA)
    assert columns["atrial_width_mm"] is columns["atrial_width_left_mm"] is None
    assert columns["volume_ml_lateral_ventricles"] == 0
    heart = LabelTable(("background", "myocardium"), ((0, 0, 0), (1, 1, 1)))
    columns = m.measure((bare > 0).astype(np.uint8), ONE, heart)
    assert columns["volume_ml_myocardium"] == pytest.approx((bare > 0).sum() / 1000)
    assert columns["volume_ml_lateral_ventricles"] is None
    assert columns["atrial_width_mm"] is columns["atrial_width_right_mm"] is None
    with pytest.raises(AnatomyError, match="no tissue 'ventricles'"):
        m.atrial_width_mm(bare, ONE, heart)


def test_one_side_alone_is_measured_alone() -> None:
    label = head(left_mm=0, right_mm=9)
    columns = m.measure(label, ONE, FETA)
    assert columns["atrial_width_left_mm"] is None
    assert columns["atrial_width_mm"] == columns["atrial_width_right_mm"]
    assert columns["atrial_width_mm"] == pytest.approx(9, abs=1)


def test_lateral_volume_leaves_the_third_and_fourth_out() -> None:
    alone, all_of_them = (m.measure(head(others=o), ONE, FETA) for o in (False, True))
    lateral = "volume_ml_lateral_ventricles"
    assert all_of_them["volume_ml_ventricles"] > 1.2 * alone["volume_ml_ventricles"]
    assert all_of_them[lateral] == pytest.approx(alone[lateral], rel=0.05)
    assert all_of_them["atrial_width_mm"] == alone["atrial_width_mm"]


@pytest.mark.parametrize("voxel", [0.7, 1.0])
def test_diameters_of_an_ellipsoid_head(voxel: float) -> None:
    spacing = (voxel,) * 3
    label = head(spacing)
    outer = 2 * 1.08 * HALF_MM
    assert m.biparietal_mm(label, spacing, FETA) == pytest.approx(outer[2], abs=2 * voxel)
    assert m.occipito_frontal_mm(label, spacing, FETA) == pytest.approx(outer[1], abs=2 * voxel)
    assert m.transcerebellar_mm(label, spacing, FETA) == pytest.approx(30, abs=2 * voxel)
    assert m.transcerebellar_mm(label * 0, spacing, FETA) is None


def test_gyrification_is_one_where_smooth_and_grows_with_the_depth_of_sulci() -> None:
    z, y, x = np.meshgrid(*[np.arange(-40, 41.0)] * 3, indexing="ij")
    radius, waves = np.sqrt(z**2 + y**2 + x**2), np.sin(12 * np.arctan2(y, x))
    index = [
        m.gyrification(
            np.where(radius < 34 - depth * (waves > 0.2), 2, 0).astype(np.uint8), ONE, FETA
        )
        for depth in (0, 3, 6)
    ]
    assert index[0] == pytest.approx(1, abs=0.02)
    assert index[2] > index[1] > 1.1
    assert m.gyrification(np.zeros((5, 5, 5), np.uint8), ONE, FETA) is None


def test_components_count_pieces_by_corners() -> None:
    label = np.zeros((9, 9, 9), np.uint8)
    label[1, 1, 1] = label[2, 2, 2] = label[6, 6, 6] = FETA.index("brainstem")
    label[4:6, 4, 4] = FETA.index("cerebellum")
    counts = m.components(label, FETA)
    assert counts["brainstem"] == 2
    assert counts["cerebellum"] == 1
    assert counts["ventricles"] == 0


def test_the_real_atlas_widens_steadily_as_its_ventricles_grow(real_data: Path) -> None:
    atlas = real_data / "fetal-spina-bifida"
    for record in bids_subjects(atlas, None, None, ["ga22pre", "ga34op"]):
        subject = load_subject(record, 1.0)
        widths = []
        for radius in (0, 1, 3):
            grown, _ = dilate_ventricles(subject.label, ONE, FETA, radius, GROWS)
            widths.append(m.measure(grown, ONE, FETA)["atrial_width_mm"])
        steps = np.diff(widths)
        assert steps.min() > 0
        assert steps[0] == pytest.approx(2, abs=1)
        assert 10 < widths[0] < 22
