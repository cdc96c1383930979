"""Edits of any structure, on organs of made-up shapes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.anatomy.edits.dilate.edit import dilate
from factory.anatomy.edits.erode.edit import erode
from factory.anatomy.edits.move.edit import move
from factory.anatomy.edits.relabel.edit import relabel
from factory.anatomy.edits.remove.edit import remove
from factory.anatomy.edits.resize.edit import resize
from factory.anatomy.edits.rotate.edit import rotate, rotation_zyx
from factory.errors import AnatomyError
from factory.storage.subjects.types import LabelTable

TABLE = LabelTable(
    ("background", "body", "left_kidney", "right_kidney", "spleen"),
    ((0, 0, 0),) * 5,
    (("kidneys", ("left_kidney", "right_kidney")),),
)
SHAPE = (30, 44, 52)


def organs(spacing: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    """Return a body with two kidneys, uint8 [z, y, x]; the spleen is absent."""
    draw = np.random.Generator(np.random.Philox(seed))
    where = np.indices(SHAPE) * np.array(spacing)[:, None, None, None]
    size = np.array(SHAPE) * spacing

    def ellipsoid(centre: np.ndarray, half_mm: np.ndarray) -> np.ndarray:
        scaled = (where - centre[:, None, None, None]) / half_mm[:, None, None, None]
        return (scaled**2).sum(axis=0) < 1

    label = ellipsoid(size / 2, size * 0.42).astype(np.uint8)
    for value, side in ((2, 0.32), (3, 0.68)):
        centre = size * (0.5, 0.5, side) + draw.uniform(-1, 1, 3)
        label[ellipsoid(centre, size * (0.16, 0.13, 0.1) * draw.uniform(0.9, 1.1))] = value
    return label


def count(label: np.ndarray, *values: int) -> int:
    return int(np.isin(label, values).sum())


spacings = st.tuples(*[st.sampled_from([0.8, 1.0, 1.7, 3.0])] * 3)
seeds = st.integers(0, 3)


@settings(max_examples=40, deadline=None)
@given(spacings, seeds, st.floats(0.3, 2.2))
def test_resize_reaches_the_volume_to_the_voxel(
    spacing: tuple[float, float, float], seed: int, share: float
) -> None:
    label = organs(spacing, seed)
    new, _, record = resize(label, spacing, TABLE, "left_kidney", share=share, into=["body"])
    assert abs(count(new, 2) - share * count(label, 2)) <= 1
    assert record["achieved_volume_ml"] == pytest.approx(
        count(new, 2) * np.prod(spacing) / 1000, rel=1e-9
    )
    assert count(new, 3) == count(label, 3)
    assert count(new, 0) == count(label, 0)
    again, _, _ = resize(label, spacing, TABLE, "left_kidney", share=share, into=["body"])
    np.testing.assert_array_equal(new, again)


@settings(max_examples=25, deadline=None)
@given(spacings, seeds, st.floats(0, 4), st.floats(0, 4))
def test_a_larger_dilation_holds_the_smaller_one(
    spacing: tuple[float, float, float], seed: int, one_mm: float, other_mm: float
) -> None:
    label = organs(spacing, seed)
    small, large = (
        dilate(label, spacing, TABLE, "kidneys", mm, ["body"])[0]
        for mm in sorted((one_mm, other_mm))
    )
    kidney = np.isin(label, (2, 3))
    assert not (kidney & ~np.isin(small, (2, 3))).any()
    assert not (np.isin(small, (2, 3)) & ~np.isin(large, (2, 3))).any()
    np.testing.assert_array_equal(small[kidney], label[kidney])
    np.testing.assert_array_equal(large == 0, label == 0)


@settings(max_examples=25, deadline=None)
@given(spacings, seeds, st.floats(0, 8))
def test_what_is_eroded_goes_to_what_is_around(
    spacing: tuple[float, float, float], seed: int, mm: float
) -> None:
    label = organs(spacing, seed)
    try:
        new, _, record = erode(label, spacing, TABLE, "right_kidney", mm)
    except AnatomyError as error:
        assert "leaves nothing of right_kidney" in str(error)  # noqa: PT017
        return
    lost = (label == 3) & (new != 3)
    assert (new[lost] == 1).all()
    np.testing.assert_array_equal(new[~lost], label[~lost])
    assert record["achieved_volume_ml"] <= record["before_volume_ml"]
    assert lost.any() == (mm >= min(spacing))


@settings(max_examples=25, deadline=None)
@given(spacings, seeds, st.lists(st.floats(-4, 4), min_size=3, max_size=3))
def test_a_moved_structure_keeps_its_volume_and_goes_where_it_is_sent(
    spacing: tuple[float, float, float], seed: int, shift: list[float]
) -> None:
    label = organs(spacing, seed)
    right_mm, anterior_mm, superior_mm = shift
    new, _, record = move(label, spacing, TABLE, "kidneys", right_mm, anterior_mm, superior_mm)
    assert count(new, 2, 3) == count(label, 2, 3)
    # a flat face moves by whole voxels, so at most half of one is missing; 0.01 is for rounding
    limits_mm = 0.51 * np.array(spacing)
    limit = float(np.linalg.norm(limits_mm))
    assert record["achieved_mm"] == pytest.approx(record["requested_mm"], abs=limit)
    where = np.argwhere(np.isin(new, (2, 3))).mean(0) - np.argwhere(np.isin(label, (2, 3))).mean(0)
    error_mm = np.abs(where * spacing - [superior_mm, anterior_mm, right_mm])
    assert (error_mm <= limits_mm).all()


@settings(max_examples=25, deadline=None)
@given(spacings, seeds, st.sampled_from(["right", "anterior", "superior"]), st.floats(-40, 40))
def test_a_rotated_structure_keeps_its_volume_and_its_centre(
    spacing: tuple[float, float, float], seed: int, axis: str, degrees: float
) -> None:
    label = organs(spacing, seed)
    new, _, _ = rotate(label, spacing, TABLE, "left_kidney", axis, degrees)
    assert count(new, 2) == count(label, 2)
    before, after = (np.argwhere(array == 2).mean(0) * spacing for array in (label, new))
    assert (np.abs(after - before) <= 0.5 * np.array(spacing)).all()


def test_a_turn_follows_the_right_hand_rule() -> None:
    anterior, right, superior = np.eye(3)[1], np.eye(3)[2], np.eye(3)[0]  # (z, y, x)
    np.testing.assert_allclose(rotation_zyx("superior", 90) @ right, anterior, atol=1e-12)
    np.testing.assert_allclose(rotation_zyx("right", 90) @ anterior, superior, atol=1e-12)
    np.testing.assert_allclose(rotation_zyx("anterior", 90) @ superior, right, atol=1e-12)


def test_a_removed_structure_is_filled_and_its_image_is_repainted() -> None:
    spacing = (1.0, 1.0, 1.0)
    label = organs(spacing)
    image = np.array([0, 0.5, 0.9, 0.9, 0])[label].astype(np.float32)
    new, painted, record = remove(label, spacing, TABLE, "kidneys", image)
    assert count(new, 2, 3) == 0
    np.testing.assert_array_equal(new == 0, label == 0)
    assert record["removed_volume_ml"] == pytest.approx(count(label, 2, 3) / 1000)
    assert painted is not None
    np.testing.assert_allclose(painted[np.isin(label, (2, 3))], 0.5, atol=1e-5)


def test_a_relabelled_structure_has_the_other_label() -> None:
    label = organs((1.0, 1.0, 1.0))
    new, _, record = relabel(label, (1.0, 1.0, 1.0), TABLE, "kidneys", "spleen")
    np.testing.assert_array_equal(new == 4, np.isin(label, (2, 3)))
    assert record["relabelled_volume_ml"] == pytest.approx(count(label, 2, 3) / 1000)


@pytest.mark.parametrize(
    ("edit", "values", "message"),
    [
        (remove, {"structure": "spleen"}, "spleen: this label map has no voxel of it"),
        (remove, {"structure": "left_kidny"}, "did you mean left_kidney"),
        (relabel, {"structure": "spleen", "to": "body"}, "no voxel of it"),
        (relabel, {"structure": "left_kidney", "to": "kidneys"}, "kidneys is a region"),
        (erode, {"structure": "left_kidney", "mm": 30.0}, "leaves nothing of left_kidney"),
        (dilate, {"structure": "body", "mm": 30.0}, "would leave the array"),
        (move, {"structure": "body", "right_mm": 40.0}, "would leave the array"),
        (resize, {"structure": "left_kidney", "volume_ml": 900.0}, "can be reached here"),
        (resize, {"structure": "left_kidney", "volume_ml": 0.0}, "less than a voxel"),
    ],
)
def test_what_the_anatomy_does_not_allow_is_one_line(
    edit: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(AnatomyError, match=message) as error:
        edit(organs((1.0, 1.0, 1.0)), (1.0, 1.0, 1.0), TABLE, **values)
    assert "\n" not in str(error.value)


def test_what_surrounds_a_structure_changes_nothing_about_its_edit() -> None:
    spacing, margin = (1.0, 2.0, 1.5), 20
    label = organs(spacing)
    image = np.random.Generator(np.random.Philox(1)).random(SHAPE, np.float32)
    wide_label, wide_image = np.pad(label, margin, "edge"), np.pad(image, margin, "edge")
    inner = (slice(margin, -margin),) * 3
    for edit, values in (
        (erode, {"mm": 2.0}),
        (resize, {"share": 0.7}),
        (resize, {"share": 1.4, "into": ["body"]}),
        (move, {"right_mm": 3.0}),
        (rotate, {"axis": "superior", "degrees": 15.0}),
    ):
        new, painted, _ = edit(label, spacing, TABLE, "left_kidney", image=image, **values)  # type: ignore
        wide, wide_painted, _ = edit(  # type: ignore
            wide_label, spacing, TABLE, "left_kidney", image=wide_image, **values
        )
        np.testing.assert_array_equal(wide[inner], new)
        np.testing.assert_allclose(wide_painted[inner], painted, atol=1e-6)


def test_a_smaller_share_of_a_plane_is_taken_from_all_sides() -> None:
    plane = organs((1.0, 1.0, 1.0))[15:16]
    new, _, _ = resize(plane, (1.0, 1.0, 1.0), TABLE, "left_kidney", share=0.5)
    before, after = (np.argwhere(array == 2).mean(0) for array in (plane, new))
    assert np.abs(before - after).max() < 0.5


def test_a_plane_is_edited_like_a_volume() -> None:
    spacing = (1.0, 1.0, 1.0)
    plane = organs(spacing)[15:16]
    for edit, values in (
        (erode, {"mm": 1.0}),
        (dilate, {"mm": 2.0}),
        (resize, {"share": 0.5}),
        (resize, {"share": 1.5}),
        (move, {"right_mm": 2.0}),
        (remove, {}),
    ):
        new = edit(plane, spacing, TABLE, structure="left_kidney", **values)[0]  # type: ignore
        assert new.shape == plane.shape
        assert not np.array_equal(new, plane)


def test_a_structure_stays_in_its_single_slice() -> None:
    label = organs((1.0, 1.0, 1.0))[SHAPE[0] // 2][None]
    for edit, how in (
        (move, {"superior_mm": 2.0}),
        (rotate, {"axis": "anterior", "degrees": 20.0}),
    ):
        with pytest.raises(AnatomyError, match="single slice"):
            edit(label, (5.0, 1.0, 1.0), TABLE, "left_kidney", **how)
    turned, _, _ = rotate(label, (5.0, 1.0, 1.0), TABLE, "left_kidney", "superior", 20.0)
    assert count(turned, 2) == count(label, 2)
