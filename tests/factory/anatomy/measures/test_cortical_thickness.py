from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.solids import Spacing, frame, radius

from factory.anatomy import measures as m
from factory.storage.subjects.types import FETA, LabelTable

ONE = (1.0, 1.0, 1.0)
CSF, GREY, WHITE = (FETA.index(n) for n in ("external_csf", "grey_matter", "white_matter"))
turns = st.tuples(*[st.floats(-45, 45)] * 3)
centres = st.tuples(*[st.floats(-0.5, 0.5)] * 3)


def layered(depth: np.ndarray, thickness: np.ndarray | float) -> np.ndarray:
    """CSF above depth 0, grey matter down to a thickness, white matter below."""
    return np.select([depth < 0, depth < thickness], [CSF, GREY], WHITE).astype(np.uint8)


@settings(max_examples=10, deadline=None)
@given(voxel=st.sampled_from([0.5, 1.0]), voxels=st.floats(1.5, 5), turn=turns, centre=centres)
def test_a_shell_is_measured_to_a_tenth_of_a_voxel(
    voxel: float, voxels: float, turn: tuple, centre: tuple
) -> None:
    thickness = voxels * voxel
    label = layered(20 * voxel - radius(*frame(23 * voxel, (voxel,) * 3, turn, centre)), thickness)
    thickness_mm = m.cortical_thickness_mm(label, (voxel,) * 3, FETA)
    assert thickness_mm["mean"] == pytest.approx(thickness, abs=0.1 * voxel)
    assert thickness_mm["p5"] == pytest.approx(thickness, abs=0.5 * voxel)
    assert thickness_mm["p5"] < thickness_mm["mean"]


def box_distance(where: Sequence[np.ndarray], half: Sequence[float]) -> np.ndarray:
    """Return the distance (mm) of each place from a box about the origin; 0 inside."""
    return radius(*[np.maximum(np.abs(c) - h, 0) for c, h in zip(where, half, strict=True)])


@settings(max_examples=10, deadline=None)
@given(voxel=st.sampled_from([0.5, 1.0]), turn=turns)
def test_the_cortex_around_a_turned_block_has_its_thickness(voxel: float, turn: tuple) -> None:
    """Faces, edges and corners: everything within three voxels of white matter is grey.

    The faces lie midway between voxels when it is not turned at all.
    """
    distance = box_distance(frame(24 * voxel, (voxel,) * 3, turn), [9.5 * voxel] * 3)
    thickness_mm = m.cortical_thickness_mm(
        layered(3 * voxel - distance, 3 * voxel), (voxel,) * 3, FETA
    )
    assert thickness_mm["mean"] == pytest.approx(3 * voxel, abs=0.25 * voxel)
    assert thickness_mm["p5"] == pytest.approx(3 * voxel, abs=0.6 * voxel)


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (1.0, 0.8, 1.2)])
def test_anisotropic_voxels_give_the_same_thickness(spacing: Spacing) -> None:
    label = layered(18 - radius(*frame(21, spacing)), 3.0)
    thickness_mm = m.cortical_thickness_mm(label, spacing, FETA)
    assert thickness_mm["mean"] == pytest.approx(3, abs=0.1)
    assert thickness_mm["p5"] == pytest.approx(3, abs=0.5 * max(spacing))


def test_a_thin_tenth_shows_in_the_fifth_percentile() -> None:
    """A ribbon of 3 mm, but 1.5 over a cap of a tenth of the sphere."""
    z, y, x = frame(23, (0.5,) * 3)
    distance = radius(z, y, x)
    thickness = np.where(z > 0.8 * distance, 1.5, 3.0)
    thickness_mm = m.cortical_thickness_mm(layered(20 - distance, thickness), (0.5,) * 3, FETA)
    assert thickness_mm["p5"] == pytest.approx(1.5, abs=0.25)
    assert thickness_mm["mean"] == pytest.approx(0.9 * 3 + 0.1 * 1.5, abs=0.1)


@pytest.mark.parametrize("turn", [(0, 0, 0), (20, 30, 40)])
def test_a_folded_ribbon_is_as_thick_as_a_flat_one(turn: tuple[float, float, float]) -> None:
    """Two gyri, 4.5 mm of white matter each, on a trunk; between them a sulcus 1.5 mm wide."""
    z, y, x = frame(18, (0.5,) * 3, turn)
    trunk = box_distance((z + 6, y, x), (2.25, 7.25, 8.25))
    gyri = [box_distance((z, y - side * 5, x), (8.25, 2.25, 8.25)) for side in (-1, 1)]
    distance = np.minimum(trunk, np.minimum(*gyri))
    thickness_mm = m.cortical_thickness_mm(layered(2 - distance, 2.0), (0.5,) * 3, FETA)
    assert thickness_mm["mean"] == pytest.approx(2, abs=0.1)
    assert thickness_mm["p5"] == pytest.approx(2, abs=0.25)


def test_the_thickness_is_none_without_both_surfaces() -> None:
    none = {"mean": None, "p5": None}
    label = layered(10 - radius(*frame(14, ONE)), 3.0)
    assert m.cortical_thickness_mm(label * 0, ONE, FETA) == none
    assert m.cortical_thickness_mm(np.where(label == WHITE, 0, label), ONE, FETA) == none
    assert m.cortical_thickness_mm(np.where(label == GREY, WHITE, label), ONE, FETA) == none
    bare = LabelTable(FETA.names[:2], FETA.colours[:2])
    assert m.cortical_thickness_mm(np.minimum(label, 1), ONE, bare) == none
