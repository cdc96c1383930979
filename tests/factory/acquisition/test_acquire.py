"""Whole acquisitions: the requested defects happen, are recorded, and change nothing else."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.volumes import WHITE, ball, block

from factory.acquisition import motion
from factory.acquisition.acquire import DEFAULTS, acquire_stacks
from factory.errors import RenderError
from factory.storage.subjects.types import FETA, LabelTable

ALL: dict[str, Any] = {
    "stacks": {"orientations": ["axial", "sagittal", "axial"], "in_plane_mm": 1.5},
    "motion": {"translation_mm": 1, "rotation_degrees": 2, "jerk_share": 0.1},
    "dropped": {"share": 0.2},
    "voids": {"share": 0.3, "size_mm": 8},
    "kspace": {"kept": 0.8, "readout_kept": 0.9, "echo_train_ms": 200, "t2_ms": 150},
    "noise": {"snr": 20},
    "bias_field": {"order": 3, "strength": 0.4},
    "gamma": 1.2,
    "contrast": 0.8,
}
NOTHING = {name: silent for name, silent in DEFAULTS.items() if name != "stacks"}


def same(one: Any, other: Any) -> bool:
    stacks = zip(one.stacks, other.stacks, strict=True)
    return (
        np.array_equal(one.image, other.image)
        and all(np.array_equal(a.image, b.image) for a, b in stacks)
        and one.record == other.record
    )


@pytest.mark.parametrize("parameters", [{}, NOTHING | {"gamma": 1, "contrast": 1}])
def test_defects_of_no_strength_leave_every_bit(parameters: dict) -> None:
    image, label, grid = ball()
    acquired = acquire_stacks(image, label, grid, FETA, parameters, 1)
    np.testing.assert_array_equal(acquired.image, image)
    assert acquired.image is not image
    assert acquired.stacks == ()
    plain = acquire_stacks(image, label, grid, FETA, {"stacks": {}}, 1)
    nothing = acquire_stacks(image, label, grid, FETA, {"stacks": {}} | parameters, 1)
    for one, other in zip(plain.stacks, nothing.stacks, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("thick", [True, False])
def test_the_same_seed_gives_the_same_bits_and_inputs_stay(thick: bool) -> None:
    image, label, grid = ball()
    parameters = ALL if thick else {k: v for k, v in ALL.items() if k != "stacks"}
    before = image.copy(), label.copy(), copy.deepcopy(parameters)
    first = acquire_stacks(image, label, grid, FETA, parameters, 7)
    assert same(first, acquire_stacks(image, label, grid, FETA, parameters, 7))
    assert not same(first, acquire_stacks(image, label, grid, FETA, parameters, 8))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])
    assert parameters == before[2]
    if thick:
        assert not np.array_equal(first.stacks[0].image, first.stacks[2].image)


def test_turning_one_defect_on_leaves_the_others_draws() -> None:
    image, label, grid = ball()
    complete = acquire_stacks(image, label, grid, FETA, ALL, 7).record
    for section in ("motion", "dropped", "voids", "noise", "bias_field"):
        fewer = {name: value for name, value in ALL.items() if name != section}
        remaining = acquire_stacks(image, label, grid, FETA, fewer, 7).record
        # How many slices hold brain, and so voids, depends on where the brain is.
        depends = {"snr"} | ({"void_count"} if section == "motion" else set())
        for key in remaining.keys() - depends:
            assert remaining[key] == complete[key], (section, key)


def test_noise_alone_differs_by_the_noise_stream_alone() -> None:
    image, label = block((6, 32, 32), 5.0)
    _, _, grid = ball((6, 32, 32))
    quiet = acquire_stacks(image, label, grid, FETA, {"noise": {"snr": 50}}, 3).image
    dropped = {"noise": {"snr": 50}, "dropped": {"share": 0.34}}
    lossy = acquire_stacks(image, label, grid, FETA, dropped, 3)
    present = [i for i in range(6) if i not in lossy.record["dropped_slices"][0]]
    assert len(present) == 4
    np.testing.assert_allclose(lossy.image[present], quiet[present], rtol=1e-6)


def test_the_noise_of_an_adult_head_refers_to_its_white_matter_too() -> None:
    image, label, grid = ball()
    white = np.argwhere(label == WHITE)
    halves = label.copy()  # the first half of the white matter becomes a label of its own
    halves[tuple(white[: len(white) // 2].T)] = len(FETA.names)
    names = [name.replace("white_matter", "left_cerebral_white_matter") for name in FETA.names]
    colours = (*FETA.colours, (1, 2, 3))
    adult = LabelTable((*names, "right_cerebral_white_matter"), colours)
    noise = {"noise": {"snr": 10}}
    fetal = acquire_stacks(image, label, grid, FETA, noise, 3)
    assert same(acquire_stacks(image, halves, grid, adult, noise, 3), fetal)


@pytest.mark.parametrize("snr", [5, 20, 60])
@pytest.mark.parametrize("thick", [True, False])
def test_the_signal_to_noise_ratio_is_what_was_asked(snr: float, thick: bool) -> None:
    image, label, grid = ball()
    clean_of = {"stacks": {"orientations": ["axial"]}} if thick else {}
    clean = acquire_stacks(image, label, grid, FETA, clean_of, 2)
    noisy = acquire_stacks(image, label, grid, FETA, clean_of | {"noise": {"snr": snr}}, 2)
    assert noisy.record["snr"] == [pytest.approx(snr, rel=0.05)]
    before, after = (a.stacks[0].image if thick else a.image for a in (clean, noisy))
    tissue = clean.stacks[0].label if thick else label
    # In air the magnitude's square is 2 σ² on average.
    air = (before == 0) & (tissue == 0)
    sigma = np.sqrt((after[air] ** 2).mean() / 2)
    assert before[tissue == WHITE].mean() / sigma == pytest.approx(snr, rel=0.05)


def test_the_signal_is_looked_for_where_the_head_has_moved_to() -> None:
    image, label, grid = ball()
    moving = {"motion": {"translation_mm": 6, "rotation_degrees": 0, "jerk_share": 0}}
    clean = acquire_stacks(image, label, grid, FETA, moving, 2).image
    noisy = acquire_stacks(image, label, grid, FETA, moving | {"noise": {"snr": 10}}, 2).image
    sigma = np.sqrt((noisy[clean == 0] ** 2).mean() / 2)
    assert image.max() / sigma == pytest.approx(10, rel=0.05)


def test_a_table_without_white_matter_takes_the_whole_brain() -> None:
    image, label, grid = ball()
    table = LabelTable(("background", "a", "b", "c"), ((0, 0, 0),) * 4)
    record = acquire_stacks(image, label, grid, table, {"noise": {"snr": 10}}, 2).record
    sigma = image[label > 0].mean() / 10
    noisy = acquire_stacks(image, label, grid, table, {"noise": {"snr": 10}}, 2).image
    assert np.sqrt((noisy[label == 0] ** 2).mean() / 2) == pytest.approx(sigma, rel=0.05)
    assert record["snr"] == [pytest.approx(10, rel=0.1)]


def test_the_field_multiplies_the_signal_where_the_scanner_is() -> None:
    image, label, grid = ball()
    field = {"bias_field": {"order": 2, "strength": 0.6}}
    volume = acquire_stacks(image, label, grid, FETA, field, 9)
    gain = volume.image[label > 0] / image[label > 0]
    assert gain.min() == pytest.approx(volume.record["bias_min"], rel=1e-5)
    assert gain.max() == pytest.approx(volume.record["bias_max"], rel=1e-5)
    even, labels = block(label.shape)
    stacks = {"stacks": {"orientations": ["axial", "coronal", "sagittal"]}}
    for stack in acquire_stacks(even, labels, grid, FETA, field | stacks, 9).stacks:
        # One field in the world: the stack's middle voxel sees what the volume has there.
        middle = [n // 2 for n in stack.image.shape]
        place = np.linalg.inv(grid.affine) @ stack.affine @ [*middle[::-1], 1]
        near = tuple(place[2::-1].round().astype(int))
        volume_value = acquire_stacks(even, labels, grid, FETA, field, 9).image[near]
        assert stack.image[tuple(middle)] == pytest.approx(volume_value, rel=0.03)


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 0.5])
def test_dropped_slices_are_black_and_as_many_as_asked(share: float) -> None:
    image, label = block((40, 12, 12))
    _, _, grid = ball((40, 12, 12))
    parameters = {"dropped": {"share": share}, "noise": {"snr": 5}, "contrast": 0.5}
    acquired = acquire_stacks(image, label, grid, FETA, parameters, 4)
    black = np.flatnonzero(~acquired.image.any(axis=(1, 2)))
    assert len(black) == round(share * 40)
    assert acquired.record["dropped_slices"] == [black.tolist()]
    assert acquired.record["dropped_count"] == [len(black)]


def test_the_record_says_how_far_slices_really_moved() -> None:
    image, label, grid = ball((41, 41, 41))
    image[:] = 0
    image[:, 20, 20] = 1
    moving = {"motion": {"translation_mm": 2, "rotation_degrees": 0, "jerk_share": 0}}
    record = acquire_stacks(image, label, grid, FETA, moving, 3).record
    pose = motion.draw_motion(moving["motion"], 41, 3, 0)
    scanned = acquire_stacks(image, label, grid, FETA, moving, 3).image
    rows, columns = np.indices((41, 41)) - 20
    far = [
        np.hypot((s * rows).sum() / s.sum(), (s * columns).sum() / s.sum()) for s in scanned[15:26]
    ]
    np.testing.assert_allclose(far, np.hypot(*pose.shift_mm[15:26, 1:].T), atol=0.02)
    assert record["motion_max_mm"] == [pytest.approx(np.linalg.norm(pose.shift_mm, axis=1).max())]
    assert record["motion_max_degrees"] == [0]


def test_with_stacks_the_volume_stays_clean_but_for_its_tone() -> None:
    image, label, grid = ball()
    acquired = acquire_stacks(image, label, grid, FETA, ALL, 7)
    toned = acquire_stacks(image, label, grid, FETA, {"gamma": 1.2, "contrast": 0.8}, 7)
    np.testing.assert_array_equal(acquired.image, toned.image)
    assert len(acquired.stacks) == 3
    expected = {"snr", "dropped_count", "dropped_slices", "void_count"}
    assert expected <= acquired.record.keys()
    assert all(len(acquired.record[key]) == 3 for key in expected)


def test_an_empty_label_map_is_refused() -> None:
    image, label, grid = ball()
    with pytest.raises(RenderError, match="label map is empty"):
        acquire_stacks(image, np.zeros_like(label), grid, FETA, {"noise": {"snr": 10}}, 0)


SECTIONS = {
    "stacks": st.fixed_dictionaries(
        {
            "orientations": st.lists(
                st.sampled_from(["axial", "coronal", "sagittal"]), min_size=1, max_size=3
            ),
            "thickness_mm": st.floats(1.5, 5),
            "gap_mm": st.floats(0, 2),
            "in_plane_mm": st.floats(0.4, 2),
            "profile": st.sampled_from(["gaussian", "box"]),
        }
    ),
    "motion": st.fixed_dictionaries(
        {
            "translation_mm": st.floats(0, 5),
            "rotation_degrees": st.floats(0, 20),
            "jerk_share": st.floats(0, 1),
        }
    ),
    "dropped": st.fixed_dictionaries({"share": st.floats(0, 0.5)}),
    "voids": st.fixed_dictionaries({"share": st.floats(0, 1), "size_mm": st.floats(2, 40)}),
    "kspace": st.fixed_dictionaries(
        {
            "kept": st.floats(0.5, 1),
            "readout_kept": st.floats(0.5, 1),
            "echo_train_ms": st.floats(0, 600),
            "t2_ms": st.floats(50, 500),
        }
    ),
    "noise": st.fixed_dictionaries({"snr": st.floats(2, 100)}),
    "bias_field": st.fixed_dictionaries({"order": st.integers(1, 5), "strength": st.floats(0, 1)}),
    "gamma": st.floats(0.5, 2),
    "contrast": st.floats(0.5, 2),
}


@settings(max_examples=25, deadline=None)
@given(
    parameters=st.fixed_dictionaries({}, optional=SECTIONS),
    seed=st.integers(0, 2**64 - 1),
    shape=st.tuples(*[st.integers(6, 13)] * 3),
)
def test_any_acquisition_is_finite_bright_repeatable_and_recorded(
    parameters: dict, seed: int, shape: tuple[int, int, int]
) -> None:
    image, label, grid = ball(shape, (1.5, 1.0, 1.2))
    acquired = acquire_stacks(image, label, grid, FETA, parameters, seed)
    assert same(acquired, acquire_stacks(image, label, grid, FETA, parameters, seed))
    assert acquired.image.shape == shape
    count = len(parameters["stacks"]["orientations"]) if "stacks" in parameters else 0
    assert len(acquired.stacks) == count
    for values in (acquired.image, *(stack.image for stack in acquired.stacks)):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert json.loads(json.dumps(acquired.record)) == acquired.record
    for name, value in acquired.record.items():
        assert not isinstance(value, list) or len(value) == max(count, 1), name
