"""A structure that grows or shrinks and moves its neighbours, on organs of made-up shapes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.anatomy.edits.displace.edit import displace
from factory.anatomy.measures import components, euler_number
from factory.anatomy.measures.widths import inscribed_width_mm
from factory.errors import AnatomyError
from factory.storage.subjects.types import LabelTable

TABLE = LabelTable(
    ("background", "fat", "liver", "spleen", "bone", "cyst"),
    ((0, 0, 0),) * 6,
    (("organs", ("liver", "spleen")),),
)
SHAPE = (28, 40, 44)
SPACINGS = [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (0.3, 0.3, 0.3), (4.0, 3.0, 3.0)]


def abdomen(depth: int = SHAPE[0]) -> np.ndarray:
    """Return fat with a liver, a spleen inside a shell of bone, and a sheet beside the liver."""
    where = np.indices((depth, *SHAPE[1:]))
    label = np.zeros(where.shape[1:], np.uint8)

    def distance(centre: tuple[float, ...], half: tuple[float, ...]) -> np.ndarray:
        squares = [((w - c) / h) ** 2 for w, c, h in zip(where, centre, half, strict=True)]
        return np.sqrt(sum(squares))

    middle = (depth - 1) / 2
    deep = 11.0 if depth > 1 else 1.0
    label[distance((middle, 20, 22), (1.1 * deep, 17, 19)) < 1] = 1
    label[distance((middle, 20, 14), (0.6 * deep, 8, 6)) < 1] = 2
    label[distance((middle, 20, 31), (0.5 * deep, 7, 6)) < 1] = 4
    label[distance((middle, 20, 31), (0.35 * deep, 5, 4)) < 1] = 3
    return label


def ml(label: np.ndarray, value: int, spacing: tuple[float, ...]) -> float:
    return float((label == value).sum() * np.prod(spacing) / 1000)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(SPACINGS), st.floats(0.5, 2.0), st.booleans())
def test_a_volume_is_reached_and_the_topology_stays(
    spacing: tuple[float, float, float], share: float, yields: bool
) -> None:
    label = abdomen()
    values: dict[str, Any] = {"share": share, "yields": ["fat"] if yields else []}
    image = label.astype(np.float32)
    new, painted, record = displace(label, spacing, TABLE, "liver", image=image, **values)
    voxel_ml = float(np.prod(spacing) / 1000)
    target_ml = share * ml(label, 2, spacing)
    assert abs(ml(new, 2, spacing) - target_ml) <= max(0.01 * target_ml, 2 * voxel_ml) + 1e-9
    assert record["achieved_volume_ml"] == pytest.approx(ml(new, 2, spacing))
    assert record["jacobian_min"] > 0
    assert components(new, TABLE) == components(label, TABLE)
    assert euler_number(new, TABLE) == euler_number(label, TABLE)
    np.testing.assert_array_equal(new == 0, label == 0)  # the background is fixed
    losses = [1 - ml(new, v, spacing) / ml(label, v, spacing) for v in (3, 4)]
    assert max(losses) <= record["largest_loss"] + 1e-9
    assert painted is not None
    assert np.abs(painted[new == 2] - 2).mean() < 0.2  # the image moves along
    again = displace(label, spacing, TABLE, "liver", image=image, **values)
    np.testing.assert_array_equal(again[0], new)
    np.testing.assert_array_equal(again[1], painted)


@settings(max_examples=3, deadline=None)
@given(st.floats(1.2, 1.8))
def test_the_way_back_leads_to_where_it_began(share: float) -> None:
    label, spacing = abdomen(), (1.0, 1.0, 1.0)
    grown, _, _ = displace(label, spacing, TABLE, "liver", share=share)
    back, _, _ = displace(grown, spacing, TABLE, "liver", to_ml=ml(label, 2, spacing))
    for value in (2, 3, 4):
        assert dice(back == value, label == value) > 0.93


@pytest.mark.parametrize("values", [{"share": 1.0}, {"mm": 0.0}])
def test_nothing_changes_at_zero(values: dict[str, float]) -> None:
    label = abdomen()
    new, _, _ = displace(label, (1.0, 1.0, 1.0), TABLE, "organs", **values)  # type: ignore
    np.testing.assert_array_equal(new, label)


@pytest.mark.parametrize("mm", [-1.5, 1.0, 2.5])
def test_a_wall_moves_by_mm(mm: float) -> None:
    label = abdomen()
    new, _, record = displace(label, (1.0, 1.0, 1.0), TABLE, "liver", mm=mm)
    ratio = np.prod([(half + mm) / half for half in (6.6, 8, 6)])
    assert ml(new, 2, (1, 1, 1)) / ml(label, 2, (1, 1, 1)) == pytest.approx(ratio, rel=0.12)
    assert record["requested_mm"] == mm


def test_a_width_is_reached_to_half_a_voxel() -> None:
    new, _, record = displace(abdomen(), (1.0, 1.0, 1.0), TABLE, "liver", width_mm=15)
    assert inscribed_width_mm(new == 2, (1.0, 1.0, 1.0)) == pytest.approx(15, abs=0.5)
    assert record["before_width_mm"] < 12.5


def test_what_is_fixed_stays_and_what_yields_makes_room() -> None:
    label = abdomen()
    new, _, _ = displace(
        label, (1.0, 1.0, 1.0), TABLE, "liver", share=1.6, yields=["fat"],
        fixed=["background", "bone", "spleen"],
    )  # fmt: skip
    np.testing.assert_array_equal(np.isin(new, (0, 3, 4)), np.isin(label, (0, 3, 4)))
    moved, _, _ = displace(label, (1.0, 1.0, 1.0), TABLE, "liver", share=2, fixed=[])
    assert (moved > 0).sum() > (label > 0).sum()  # a background that is not fixed yields


@pytest.mark.parametrize("share", [0.6, 1.7])
def test_a_plane_moves_like_a_volume(share: float) -> None:
    label = abdomen(1)
    new, _, _ = displace(label, (5.0, 1.0, 1.0), TABLE, "liver", share=share)
    assert (new == 2).sum() / (label == 2).sum() == pytest.approx(share, abs=0.02)
    assert components(new, TABLE) == components(label, TABLE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"structure": "cyst", "share": 1.2}, "cyst: this label map has no voxel of it"),
        ({"structure": "liver", "to_ml": 40.0}, r"displace: 40 ml of liver requested; the nearest"),
        ({"structure": "liver", "share": 4.0, "loss_max": 0.1}, r"ml \(loss_max is 0.1\)"),
        ({"structure": "liver", "share": 1.5, "yields": ["lung"]}, "no label or region 'lung'"),
    ],
)
def test_what_the_anatomy_does_not_allow_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(AnatomyError, match=message) as error:
        displace(abdomen(), (1.0, 1.0, 1.0), TABLE, **values)
    assert "\n" not in str(error.value)


def test_the_largest_ball_of_a_slab_is_as_wide_as_its_voxels() -> None:
    for width in (1, 2, 3, 4, 7):
        slab = np.zeros((12, 20, 20), bool)
        slab[2 : 2 + width, 1:19, 1:19] = True
        assert inscribed_width_mm(slab, (1.5, 1.0, 1.0)) == pytest.approx(1.5 * width)
    assert inscribed_width_mm(slab[:, :, :0], (1.0, 1.0, 1.0)) == 0
