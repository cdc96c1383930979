import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heads import HALF_MM, head
from support.solids import Spacing, ellipsoid, frame

from factory.anatomy import measures as m
from factory.storage.subjects.types import FETA, LabelTable

ONE = (1.0, 1.0, 1.0)


def small_head(spacing: Spacing, turn: tuple[float, float, float]) -> np.ndarray:
    """36 mm wide, 46 long; cerebellum 16 wide. Small, so that it is quickly made at 0.5 mm."""
    z, y, x = where = frame(25, spacing, turn, (0.2, -0.3, 0.1))
    label = np.where(ellipsoid(where, (17, 23, 18)), FETA.index("white_matter"), 0)
    label[ellipsoid(where, (4, 6, 6))] = FETA.index("deep_grey_matter")
    label[ellipsoid((z + 10, y + 9, x), (5, 6, 8))] = FETA.index("cerebellum")
    return label.astype(np.uint8)


def diameters(label: np.ndarray, spacing: Spacing) -> tuple[float | None, ...]:
    where = label, spacing, FETA
    return m.biparietal_mm(*where), m.occipito_frontal_mm(*where), m.transcerebellar_mm(*where)


@settings(max_examples=8, deadline=None)
@given(voxel=st.sampled_from([0.5, 0.8, 1.0]), yaw=st.floats(-20, 20))
def test_a_head_turned_about_z_is_measured_to_a_voxel(voxel: float, yaw: float) -> None:
    measured_mm = diameters(small_head((voxel,) * 3, (yaw, 0, 0)), (voxel,) * 3)
    assert measured_mm == pytest.approx((36, 46, 16), abs=voxel)


@pytest.mark.parametrize("tilt", [(0, 10, 0), (0, 0, 10), (10, -10, 10)])
def test_a_tilted_head_is_measured_to_a_millimetre_and_a_half(
    tilt: tuple[float, float, float],
) -> None:
    assert diameters(small_head((0.5,) * 3, tilt), (0.5,) * 3) == pytest.approx(
        (36, 46, 16), abs=1.5
    )


@pytest.mark.parametrize("spacing", [(0.7,) * 3, ONE, (2.0, 0.8, 1.2)])
def test_the_diameters_of_a_head_include_its_csf(spacing: Spacing) -> None:
    label = head(spacing)
    outer = 2 * 1.08 * HALF_MM
    assert m.biparietal_mm(label, spacing, FETA) == pytest.approx(outer[2], abs=spacing[2])
    assert m.occipito_frontal_mm(label, spacing, FETA) == pytest.approx(outer[1], abs=spacing[1])
    assert m.transcerebellar_mm(label, spacing, FETA) == pytest.approx(30, abs=spacing[2])


def test_a_round_or_wide_head_is_not_taken_for_a_turned_one() -> None:
    for half in ((30, 30, 30), (30, 28, 32)):
        label = np.where(ellipsoid(frame(35, ONE, (0, 0, 0), (0.5,) * 3), half), 3, 0)
        measured_mm = diameters(label.astype(np.uint8), ONE)
        assert measured_mm == (
            pytest.approx(2 * half[2], abs=1),
            pytest.approx(2 * half[1], abs=1),
            None,
        )


def test_the_diameters_are_none_without_a_cerebrum() -> None:
    label = head()
    assert diameters(label * 0, ONE) == (None, None, None)
    heart = LabelTable(("background", "myocardium"), ((0, 0, 0), (1, 1, 1)))
    where = (label > 0).astype(np.uint8), ONE, heart
    assert m.biparietal_mm(*where) is None
    assert m.occipito_frontal_mm(*where) is None
    assert m.transcerebellar_mm(*where) is None
    alone = np.where(label == FETA.index("cerebellum"), label, 0)
    assert diameters(alone, ONE) == (None, None, pytest.approx(30, abs=1))
