"""A sheet that is thinned from one side, on shells of made-up shapes."""

from typing import Any

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.anatomy.edits.thin.edit import thin
from factory.errors import AnatomyError
from factory.storage.subjects.types import LabelTable

TABLE = LabelTable(
    ("background", "pool", "myocardium", "left_lung", "right_lung", "clot"),
    ((0, 0, 0),) * 6,
    (("lungs", ("left_lung", "right_lung")),),
)


def heart(thick: float, spacing: tuple[float, ...] = (1, 1, 1), depth: int = 32) -> np.ndarray:
    """Return a pool of 8 mm radius in a myocardium so thick, between two lungs."""
    shape = np.array([depth, 34, 36])
    middle = (shape - 1) / 2 * spacing
    where = [w * s - m for w, s, m in zip(np.indices(shape), spacing, middle, strict=True)]
    radius = np.sqrt(sum(w**2 for w in where))
    label = np.where(where[2] < 0, 3, 4).astype(np.uint8)
    label[radius < 8 + thick] = 2
    label[radius < 8] = 1
    return label


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([(1.0, 1.0, 1.0), (1.6, 1.0, 1.0)]),
    st.floats(3.5, 5),
    st.floats(0, 0.5),
    st.sampled_from(["lungs", "pool"]),
)
def test_a_share_is_lost_to_the_voxel_and_the_sheet_stays_closed(
    spacing: tuple[float, float, float], thick: float, share: float, into: str
) -> None:
    label = heart(thick, spacing)
    new, _, record = thin(label, spacing, TABLE, "myocardium", into, share=share)
    sheet = label == 2
    lost = sheet & (new != 2)
    assert lost.sum() == round(share * sheet.sum())
    np.testing.assert_array_equal(new[~lost], label[~lost])
    assert set(np.unique(new[lost])) <= ({1} if into == "pool" else {3, 4})
    assert record["achieved_share"] == pytest.approx(share, abs=1 / sheet.sum())
    open_space = cc3d.connected_components(new != 2, connectivity=6)  # the pool is still enclosed
    assert open_space[16, 17, 18] != open_space[0, 0, 0]
    less, _, _ = thin(label, spacing, TABLE, "myocardium", into, share=share / 2)
    assert not ((less != 2) & (new == 2)).any()
    again, _, _ = thin(label, spacing, TABLE, "myocardium", into, share=share)
    np.testing.assert_array_equal(again, new)


@settings(max_examples=8, deadline=None)
@given(st.floats(2, 4), st.sampled_from(["lungs", "pool"]))
def test_a_thickness_is_reached_to_half_a_voxel(target: float, into: str) -> None:
    spacing = (1.0, 1.0, 1.0)
    new, _, record = thin(heart(5), spacing, TABLE, "myocardium", into, thickness_mm=target)
    assert record["before_thickness_mm"] == pytest.approx(5, abs=0.3)
    volume = (
        4
        / 3
        * np.pi
        * ((8 + target) ** 3 - 8**3 if into == "lungs" else 13**3 - (13 - target) ** 3)
    )
    assert (new == 2).sum() == pytest.approx(volume, rel=0.5 / target + 0.05)
    assert record["achieved_thickness_mm"] == pytest.approx(target, abs=0.5)


def test_nothing_changes_at_zero_and_each_side_gets_what_lies_beside_it() -> None:
    label, spacing = heart(5), (1.0, 1.0, 1.0)
    same, _, _ = thin(label, spacing, TABLE, "myocardium", "lungs", share=0.0)
    np.testing.assert_array_equal(same, label)
    image = np.array([0, 1, 2, 3, 4], np.float32)[label]
    new, painted, _ = thin(label, spacing, TABLE, "myocardium", "lungs", share=0.3, image=image)
    lost = new != label
    assert painted is not None
    np.testing.assert_allclose(painted[lost & (new == 3)], 3, atol=0.6)
    middle = label.shape[2] // 2
    assert not (new[:, :, : middle - 1] == 4)[lost[:, :, : middle - 1]].any()


def test_a_plane_is_thinned_like_a_volume() -> None:
    label = heart(5, depth=1)
    new, _, _ = thin(label, (6.0, 1.0, 1.0), TABLE, "myocardium", "pool", share=0.4)
    assert (new == 2).sum() == round(0.6 * (label == 2).sum())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"into": "clot", "share": 0.2}, "clot: this label map has no voxel of it"),
        ({"into": "lungs", "share": 0.95}, "one voxel of depth stays, so the largest share is 0."),
        ({"into": "lungs", "thickness_mm": 9.0}, "myocardium is 5.* mm thick; allowed is more"),
        ({"into": "myocardium", "share": 0.2}, "into is myocardium, a part of myocardium"),
    ],
)
def test_what_the_anatomy_does_not_allow_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(AnatomyError, match=message) as error:
        thin(heart(5), (1.0, 1.0, 1.0), TABLE, "myocardium", **values)
    assert "\n" not in str(error.value)
