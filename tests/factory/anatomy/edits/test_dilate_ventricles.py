from pathlib import Path

import cc3d
import edt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heads import coordinates, head, tube

from factory.anatomy.edits.dilate_ventricles.edit import dilate_ventricles
from factory.anatomy.lateral_ventricles import lateral_ventricles
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, LabelTable

TWO = (2.0, 2.0, 2.0)
ONE = (1.0, 1.0, 1.0)
VENTRICLES = FETA.index("ventricles")
GROWS = ["white_matter", "deep_grey_matter"]
HEAD = head(TWO, 8, 8, others=True)
HEAD.setflags(write=False)

radii = st.floats(0, 8)
tissues = st.lists(
    st.sampled_from(["white_matter", "deep_grey_matter", "grey_matter", "brainstem"]),
    min_size=1,
    unique=True,
)


def image_of(label: np.ndarray) -> np.ndarray:
    """Tissues of different brightness with a gradient, the ventricles bright."""
    levels = np.array([0, 90, 40, 50, 100, 45, 55, 60], np.float32)
    return levels[label] + np.linspace(0, 5, label.shape[1], dtype=np.float32)[:, None]


@pytest.mark.parametrize("yaw", [0.0, 6.0])
def test_the_third_and_fourth_ventricle_are_removed(yaw: float) -> None:
    label = head(ONE, 8, 8, yaw=yaw, roll=yaw / 2, others=True)
    z, y, x = coordinates(ONE, yaw, yaw / 2)
    truth = np.minimum(tube(z, y, x, -1, 10), tube(z, y, x, 1, 10)) < 4
    assert (label == VENTRICLES).sum() > 1.2 * truth.sum()
    lateral = lateral_ventricles(label, ONE, FETA)
    assert (lateral & truth).sum() >= 0.995 * truth.sum()
    # The foramina of Monro may stay with either.
    assert (lateral & ~truth).sum() <= 0.05 * truth.sum()


def test_a_map_of_lateral_ventricles_only_stays_as_it_is() -> None:
    for label in (head(ONE, 5, 9), head(ONE, 24, 24, splay=0), phantom(30, 2, 1.5).label):
        np.testing.assert_array_equal(lateral_ventricles(label, ONE, FETA), label == VENTRICLES)


def test_ventricles_that_meet_at_the_midline_stay() -> None:
    label = head(ONE, 10, 10, others=True)
    z, y, x = coordinates(ONE)
    cavum = (np.abs(z - 4) < 4) & (np.abs(y) < 12) & (np.abs(x) < 14)
    label[cavum] = VENTRICLES
    assert lateral_ventricles(label, ONE, FETA)[cavum].all()


@settings(max_examples=15, deadline=None)
@given(radius=radii, more=st.floats(0, 4), into=tissues)
def test_a_larger_radius_contains_the_smaller_and_nothing_else_changes(
    radius: float, more: float, into: list[str]
) -> None:
    small, _ = dilate_ventricles(HEAD, TWO, FETA, radius, into)
    large, _ = dilate_ventricles(HEAD, TWO, FETA, radius + more, into)
    assert ((large == VENTRICLES) >= (small == VENTRICLES)).all()
    changed = large != HEAD
    assert (large[changed] == VENTRICLES).all()
    assert set(np.unique(HEAD[changed])) <= set(FETA.indices(into))
    assert large.dtype == np.uint8


@settings(max_examples=8, deadline=None)
@given(radius=radii, axis=st.integers(0, 2), order=st.sampled_from("CF"))
def test_neither_mirroring_nor_memory_order_matters(radius: float, axis: int, order: str) -> None:
    grown, _ = dilate_ventricles(HEAD, TWO, FETA, radius, GROWS)
    mirrored = np.asarray(np.flip(HEAD, axis), order=order)
    mirrored, _ = dilate_ventricles(mirrored, TWO, FETA, radius, GROWS)
    assert (np.flip(mirrored, axis) != grown).mean() < 1e-3
    copy, _ = dilate_ventricles(np.asarray(HEAD, order=order), TWO, FETA, radius, GROWS)
    np.testing.assert_array_equal(copy, grown)


@settings(max_examples=8, deadline=None)
@given(radius=st.floats(0.5, 8))
def test_the_image_changes_only_within_the_new_ventricles(radius: float) -> None:
    image = image_of(HEAD)
    before = image.copy()
    grown, painted = dilate_ventricles(HEAD, TWO, FETA, radius, GROWS, image)
    assert painted is not None
    assert painted.dtype == np.float32
    np.testing.assert_array_equal(image, before)
    inside = lateral_ventricles(HEAD, TWO, FETA) | (grown != HEAD)
    np.testing.assert_array_equal(painted[~inside], image[~inside])
    gained = grown != HEAD
    if gained.any():
        assert painted[gained].min() > 98
    else:
        np.testing.assert_array_equal(painted, image)


def test_radius_zero_is_the_identity_and_inputs_stay() -> None:
    image = image_of(HEAD)
    grown, painted = dilate_ventricles(HEAD, TWO, FETA, 0, GROWS, image)
    np.testing.assert_array_equal(grown, HEAD)
    np.testing.assert_array_equal(painted, image)
    assert grown is not HEAD
    assert painted is not image
    assert dilate_ventricles(HEAD, TWO, FETA, 3, GROWS)[1] is None


def test_a_blurred_wall_does_not_spread_in_the_image() -> None:
    """The half-bright voxels of the old wall neither spread outwards nor remain as a ring."""
    label = head(ONE, 14, 14)
    z, y, x = coordinates(ONE)
    depth = 7 - np.minimum(tube(z, y, x, -1, 10), tube(z, y, x, 1, 10))
    image = (50 + 50 * np.clip(depth / 2.4 + 0.1, 0, 1)).astype(np.float32)
    grown, painted = dilate_ventricles(label, ONE, FETA, 3, GROWS, image)
    assert painted is not None
    assert image[label == VENTRICLES].min() < 60
    spared = ~np.isin(label, FETA.indices([*GROWS, "ventricles"]))
    free = (grown == VENTRICLES) & (edt.edt(~spared) > 6)
    assert (free & (grown != label)).sum() > 1000
    assert painted[free].min() > 97


@pytest.mark.parametrize("radius", [2.0, 5.0])
def test_the_radius_in_mm_does_not_depend_on_the_voxel_size(radius: float) -> None:
    """Each voxel size gives the tube of radius 4 + r to less than a voxel."""
    for spacing in ((0.8, 0.8, 0.8), (1.0, 1.0, 1.0), (2.0, 0.9, 0.9)):
        label = head(spacing, 8, 8, splay=0)
        grown, _ = dilate_ventricles(label, spacing, FETA, radius, GROWS)
        z, y, x = coordinates(spacing)
        distance = np.minimum(tube(z, y, x, -1, 0), tube(z, y, x, 1, 0))
        allowed = np.isin(label, FETA.indices([*GROWS, "ventricles"]))
        voxel = np.linalg.norm(spacing) / 2
        assert (grown[allowed & (distance < 4 + radius - voxel)] == VENTRICLES).all()
        assert (grown[distance > 4 + radius] != VENTRICLES).all()


def test_growth_does_not_jump_over_other_tissues() -> None:
    label = head(ONE, 8, 8)
    z, y, x = coordinates(ONE)
    shell = tube(z, y, x, 1, 10)
    label[(shell > 5) & (shell < 7)] = FETA.index("grey_matter")
    grown, _ = dilate_ventricles(label, ONE, FETA, 6, GROWS)
    right = (grown == VENTRICLES) & (x > 0)
    assert not (right & (shell >= 7) & (tube(z, y, x, -1, 10) > 10.1)).any()
    assert (right & (shell > 4) & (shell <= 5)).any()


@pytest.mark.parametrize(
    ("radius", "into", "says"),
    [
        (-1.0, GROWS, "radius_mm is -1.0"),
        (float("nan"), GROWS, "radius_mm is nan"),
        (1.0, ["white_mater"], "'white_mater'.*did you mean white_matter"),
        (1.0, ["background"], "allowed are grey_matter, white_matter, cerebellum"),
        (1.0, ["external_csf"], "allowed are grey_matter"),
        (1.0, ["ventricles"], "allowed are grey_matter"),
        (1.0, [], "allowed are grey_matter"),
    ],
)
def test_bad_input_is_refused_in_one_line(radius: float, into: list[str], says: str) -> None:
    with pytest.raises(AnatomyError, match=says) as caught:
        dilate_ventricles(HEAD, TWO, FETA, radius, into)
    assert "\n" not in str(caught.value)


def test_tables_and_maps_without_ventricles_are_refused() -> None:
    heart = LabelTable(("background", "ventricle", "white_matter"), ((0, 0, 0),) * 3)
    with pytest.raises(AnatomyError, match=r"no tissue 'ventricles'.*did you mean ventricle\?"):
        dilate_ventricles(HEAD, TWO, heart, 1, ["white_matter"])
    bare = np.where(HEAD == VENTRICLES, 3, HEAD)
    with pytest.raises(AnatomyError, match="no lateral ventricles"):
        dilate_ventricles(bare, TWO, FETA, 1, GROWS)


def test_the_real_atlas_gives_its_lateral_ventricles(real_data: Path) -> None:
    """At all ages the removed part is medial, small, and mostly not beside white matter."""
    atlas = real_data / "fetal-spina-bifida"
    for record in list_bids_subjects(atlas, None, None, ["ga21pre", "ga28op", "ga33op"]):
        subject = load_subject(record, None)
        spacing = subject.grid.spacing
        lateral = lateral_ventricles(subject.label, spacing, FETA)
        others = (subject.label == VENTRICLES) & ~lateral
        middle = np.argwhere(subject.label > 0)[:, 2].mean()
        assert np.abs(np.argwhere(others)[:, 2] - middle).max() * spacing[2] < 8
        assert 0.15 < others.sum() * np.prod(spacing) / 1000 < 1.2
        pieces = np.bincount(cc3d.connected_components(lateral).ravel())[1:]
        assert pieces.max() > 0.999 * lateral.sum()
        below = np.argwhere(subject.label == FETA.index("cerebellum"))[:, 0].max()
        by_stem = lateral[: int(below)] & (
            np.abs(np.arange(lateral.shape[2]) - middle) * spacing[2] < 6
        )
        assert not by_stem.any()


def test_a_third_ventricle_alone_leaves_nothing() -> None:
    label = np.where(HEAD == VENTRICLES, FETA.index("deep_grey_matter"), HEAD)
    middle = label.shape[2] // 2
    label[15:20, 22:28, middle - 1 : middle + 1] = VENTRICLES
    assert not lateral_ventricles(label, TWO, FETA).any()
