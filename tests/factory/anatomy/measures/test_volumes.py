import math

import numpy as np
import pytest
from support.heads import head
from support.solids import ellipsoid, frame

from factory.anatomy import measures as m
from factory.storage.subjects.types import FETA, LabelTable

ONE = (1.0, 1.0, 1.0)
WHITE, VENTRICLES = FETA.index("white_matter"), FETA.index("ventricles")


def test_volumes_are_voxels_times_their_size() -> None:
    label = np.zeros((10, 10, 10), np.uint8)
    label[2:4, 1:6, 3:7] = FETA.index("cerebellum")
    label[5, 5, 5] = FETA.index("brainstem")
    volumes = m.volumes_ml(label, (0.5, 2.0, 1.5), FETA)
    assert list(volumes) == list(FETA.names[1:])
    assert volumes["cerebellum"] == pytest.approx(40 * 1.5 / 1000)
    assert volumes["brainstem"] == pytest.approx(1.5 / 1000)
    assert volumes["white_matter"] == 0


@pytest.mark.parametrize("spacing", [(0.5,) * 3, ONE, (2.0, 1.0, 0.8)])
def test_the_volume_of_a_turned_ellipsoid_is_exact(spacing: tuple[float, float, float]) -> None:
    half = (12.0, 18.0, 15.0)
    for turn in ((0, 0, 0), (30, 20, 10)):
        inside = ellipsoid(frame(20, spacing, turn, (0.2, -0.3, 0.4)), half)
        volumes = m.volumes_ml(np.where(inside, WHITE, 0).astype(np.uint8), spacing, FETA)
        ml = 4 / 3 * math.pi * math.prod(half) / 1000
        assert volumes["white_matter"] == pytest.approx(ml, rel=0.005)


def test_the_ratio_is_lateral_ventricles_over_parenchyma() -> None:
    """Two capsules, 8 mm wide, in an ellipsoid brain; its cerebellum peeps out, by 1 %."""
    capsules = 2 * (math.pi * 4**2 * 38 + 4 / 3 * math.pi * 4**3)
    brain = 4 / 3 * math.pi * 34 * 44 * 36
    for others in (False, True):
        label = head(left_mm=8, right_mm=8, others=others)
        ratio = m.ventricle_brain_ratio(label, ONE, FETA)
        assert ratio == pytest.approx(capsules / (brain - capsules), rel=0.03)


def test_the_ratio_is_none_or_zero_if_a_tissue_is_missing() -> None:
    label = np.full((6, 6, 6), WHITE, np.uint8)
    assert m.ventricle_brain_ratio(label, ONE, FETA) == 0
    assert m.ventricle_brain_ratio(label * 0, ONE, FETA) is None
    assert m.ventricle_brain_ratio(np.full_like(label, VENTRICLES), ONE, FETA) is None
    heart = LabelTable(("background", "myocardium"), ((0, 0, 0), (1, 1, 1)))
    assert m.ventricle_brain_ratio(label // WHITE, ONE, heart) is None
