import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.solids import Spacing, frame, radius, torus

from factory.anatomy import measures as m
from factory.anatomy.measures.gyrification import surface_mm2
from factory.storage.subjects.types import FETA

ONE = (1.0, 1.0, 1.0)
SPACINGS: list[Spacing] = [(0.5,) * 3, ONE, (1.0, 0.8, 1.2)]
turns = st.tuples(*[st.floats(-45, 45)] * 3)


@settings(max_examples=10, deadline=None)
@given(spacing=st.sampled_from(SPACINGS), turn=turns)
def test_the_surface_of_a_sphere_and_a_torus_is_measured(spacing: Spacing, turn: tuple) -> None:
    where = frame(22, spacing, turn)
    assert surface_mm2(radius(*where) < 18, spacing) == pytest.approx(4 * math.pi * 18**2, rel=0.01)
    ring = torus(where, 13, 6)
    assert surface_mm2(ring, spacing) == pytest.approx(4 * math.pi**2 * 13 * 6, rel=0.035)


@settings(max_examples=5, deadline=None)
@given(turn=turns)
def test_a_fissure_through_a_sphere_adds_its_surface(turn: tuple) -> None:
    """Two discs more than the sphere, one strip less: 1.5 - width / diameter."""
    z, y, x = frame(25, ONE, turn)
    cut = (radius(z, y, x) < 22) & (np.abs(x) > 1.5)
    index = m.gyrification(np.where(cut, 3, 0).astype(np.uint8), ONE, FETA)
    assert index == pytest.approx(1.5 - 3 / 44, rel=0.06)


def test_the_index_is_one_if_smooth_and_grows_with_the_depth_of_sulci() -> None:
    z, y, x = frame(40, ONE)
    waves = np.sin(12 * np.arctan2(y, x))
    index = [
        m.gyrification(
            np.where(radius(z, y, x) < 34 - depth * (waves > 0.2), 2, 0).astype(np.uint8), ONE, FETA
        )
        for depth in (0, 3, 6)
    ]
    assert index[0] == pytest.approx(1, abs=0.01)
    assert index[2] > index[1] > 1.1


def test_cavities_do_not_count_as_folds_and_an_empty_map_gives_none() -> None:
    distance = radius(*frame(25, ONE))
    hollow = np.where((distance < 20) & (distance > 12), 3, 0).astype(np.uint8)
    assert m.gyrification(hollow, ONE, FETA) == pytest.approx(1, abs=0.01)
    assert m.gyrification(np.zeros((5, 5, 5), np.uint8), ONE, FETA) is None
