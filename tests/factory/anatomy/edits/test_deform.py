import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from factory.anatomy import measures as m
from factory.anatomy.edits.deform.edit import deform
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, LabelTable

PHANTOM = phantom(22, 5, 2.0)
SPACING = PHANTOM.grid.spacing
LABEL = np.pad(PHANTOM.label, 8)
LABEL.setflags(write=False)


def deformed(seed: int = 1, **more: Any) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    return deform(LABEL, SPACING, FETA, seed, **more)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    warp=st.floats(0, 3),
    turn=st.lists(st.floats(-12, 12), min_size=3, max_size=3),
    scale=st.lists(st.floats(0.93, 1.07), min_size=3, max_size=3),
    shear=st.lists(st.floats(-0.06, 0.06), min_size=3, max_size=3),
    flip=st.booleans(),
)
def test_topology_stays_and_nothing_folds(
    seed: int, warp: float, turn: list[float], scale: list[float], shear: list[float], flip: bool
) -> None:
    label, _, record = deformed(
        seed, warp_mm=warp, rotation_degrees=turn, scale=scale, shear=shear, flip=flip
    )
    assert label.dtype == np.uint8
    assert m.components(label, FETA) == m.components(LABEL, FETA)
    assert m.euler_number(label, FETA) == m.euler_number(LABEL, FETA)
    assert 0 < record["jacobian_min"] <= record["jacobian_max"]
    assert json.loads(json.dumps(record)) == record
    if warp == 0:
        ratio = (label > 0).sum() / (LABEL > 0).sum()
        assert ratio == pytest.approx(np.prod(scale), rel=0.03)


def test_without_keeping_topology_the_same_map_is_applied_in_one_step() -> None:
    more = {"warp_mm": 1.5, "rotation_degrees": (4, 0, 6)}
    exact, _, exact_record = deformed(**more)
    quick, _, quick_record = deformed(**more, keep_topology=False)
    for value in range(1, len(FETA.names)):
        assert overlap(exact == value, quick == value) > 0.9, FETA.names[value]
    assert quick_record["jacobian_min"] == pytest.approx(exact_record["jacobian_min"], abs=0.05)
    assert quick_record["voxels_held_by_topology"] == 0


def test_a_strength_of_zero_changes_nothing() -> None:
    image = LABEL.astype(np.float32)
    label, painted, _ = deformed(image=image)
    np.testing.assert_array_equal(label, LABEL)
    np.testing.assert_array_equal(painted, image)
    assert label is not LABEL
    assert painted is not image


def test_the_seed_determines_the_warp_and_a_larger_warp_moves_more() -> None:
    first, again, other = (deformed(s, warp_mm=1.5)[0] for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    less = deformed(3, warp_mm=0.7)[0]
    assert 0 < (less != LABEL).sum() < (first != LABEL).sum()


def test_the_warp_in_mm_does_not_depend_on_the_voxels() -> None:
    """Every second voxel of the finer map equals the coarser one, except at borders."""
    fine = np.pad(phantom(22, 5, 1.0).label, 14)
    fine = np.pad(fine, [(0, 1 - n % 2) for n in fine.shape])
    warps = {"warp_mm": 2.0, "rotation_degrees": (5.0, 0.0, 0.0)}
    coarse, _, _ = deform(fine[::2, ::2, ::2], (2.0,) * 3, FETA, 7, **warps)
    thinned = deform(fine, (1.0,) * 3, FETA, 7, **warps)[0][::2, ::2, ::2]
    assert (thinned != fine[::2, ::2, ::2]).sum() > 1.5 * (thinned != coarse).sum()
    for value in (0, FETA.index("ventricles"), FETA.index("cerebellum")):
        for a, b in ((thinned, coarse), (coarse, thinned)):
            beyond = (a == value) & ~ndimage.binary_dilation(b == value, np.ones((3, 3, 3)))
            assert beyond.sum() <= 0.001 * (a == value).sum()


@pytest.mark.parametrize(("which", "axes"), [(0, (1, 2)), (1, (0, 2)), (2, (0, 1))])
def test_turns_are_about_the_named_axis_by_the_named_angle(
    which: int, axes: tuple[int, int]
) -> None:
    """The corner line of a box lies where the rotation takes it."""
    box = np.zeros((41, 41, 41), np.uint8)
    box[8:33, 8:33, 8:33] = FETA.index("white_matter")
    tip = [20.0, 20.0, 20.0]
    tip[axes[1]] = 30.0
    rod = tuple(slice(18, 23) if a != axes[1] else slice(26, 33) for a in range(3))
    box[rod] = FETA.index("brainstem")
    angles = [0.0, 0.0, 0.0]
    angles[which] = 20.0
    turned, _, _ = deform(box, (1.0,) * 3, FETA, 0, rotation_degrees=angles)
    middle = np.argwhere(turned == FETA.index("brainstem")).mean(0) - 20
    assert abs(middle[which]) < 0.6
    assert np.hypot(middle[axes[0]], middle[axes[1]]) == pytest.approx(9, abs=0.6)
    angle = np.degrees(np.arctan2(abs(middle[axes[0]]), middle[axes[1]]))
    assert angle == pytest.approx(20, abs=4)


def test_the_opposite_rotation_restores_the_head() -> None:
    turned, _, _ = deformed(rotation_degrees=[10, 0, 0])
    back, _, _ = deform(turned, SPACING, FETA, 1, rotation_degrees=[-10, 0, 0])
    assert overlap(back > 0, LABEL > 0) > 0.97


def test_a_flip_keeps_sides_right() -> None:
    sided = LabelTable(("background", "left_ventricle", "right_ventricle"), ((0, 0, 0),) * 3)
    label = np.zeros((9, 9, 9), np.uint8)
    label[3:6, 3:6, 1:3], label[2:7, 2:7, 5:8] = 1, 2
    flipped, image, _ = deform(
        label, (1.0,) * 3, sided, 0, flip=True, image=(label == 2).astype(np.float32)
    )
    assert (flipped == 1).sum() == 75
    assert (flipped[:, :, :4] == 1).sum() == 75
    np.testing.assert_array_equal(image == 1, flipped == 1)
    once = deformed(flip=True)[0]
    np.testing.assert_array_equal(once, LABEL[:, :, ::-1])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"warp_mm": -1.0}, "warp_mm is"),
        ({"scale": (1.0, 1.0, 3.0)}, "allowed are 0.7 to 1.4"),
        ({"rotation_degrees": (float("nan"), 0, 0)}, "rotation_degrees is"),
        ({"warp_mm": 1.0, "smoothness_mm": 2.0}, "smoothness_mm is"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(more: dict[str, Any], words: str) -> None:
    with pytest.raises(AnatomyError, match=words) as error:
        deformed(**more)
    assert "\n" not in str(error.value)


def test_a_head_that_leaves_the_array_is_refused() -> None:
    with pytest.raises(AnatomyError, match="leave the array; give it a wider shape"):
        deform(PHANTOM.label, SPACING, FETA, 1, scale=(1.0, 1.2, 1.0))


def test_the_real_atlas_keeps_its_topology_and_its_image_follows(real_data: Path) -> None:
    (record,) = list_bids_subjects(real_data / "fetal-spina-bifida", None, None, ["ga24pre"])
    subject = load_subject(record, 1.5)
    label, image, _ = deform(
        subject.label,
        subject.grid.spacing,
        FETA,
        9,
        warp_mm=2.0,
        rotation_degrees=(6.0, -4.0, 3.0),
        image=subject.image,
    )
    assert m.euler_number(label, FETA) == m.euler_number(subject.label, FETA)
    assert image is not None
    for tissue in ("ventricles", "white_matter", "cerebellum"):
        value = FETA.index(tissue)
        before = subject.image[subject.label == value].mean()
        assert image[label == value].mean() == pytest.approx(before, rel=0.06)
