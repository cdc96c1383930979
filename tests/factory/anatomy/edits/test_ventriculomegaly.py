import functools
import json
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number
from support.heads import head

from factory.anatomy import measures as m
from factory.anatomy.deformation.flow import Flow
from factory.anatomy.deformation.root_finding import EVALUATIONS, solve
from factory.anatomy.edits.ventriculomegaly.edit import ventriculomegaly
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, LabelTable

PHANTOM = phantom(24, 4, 1.5)
LABEL, SPACING = PHANTOM.label, PHANTOM.grid.spacing
LABEL.setflags(write=False)
NORMAL = max(w for w in m.atrial_width_mm(LABEL, SPACING, FETA).values() if w)
SOLID = [i for i, n in enumerate(FETA.names) if n.endswith(("matter", "stem", "cerebellum"))]


def widened(width: float, **more: Any) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    return ventriculomegaly(LABEL, SPACING, FETA, width, **more)


def topology(label: np.ndarray) -> list[tuple[int, int]]:
    return [
        (
            int(cc3d.connected_components(label == i, connectivity=26, return_N=True)[1]),
            int(euler_number(np.pad(label == i, 1), connectivity=3)),
        )
        for i in range(1, len(FETA.names))
    ]


@settings(max_examples=200, deadline=None)
@given(
    target=st.floats(6, 30), slope=st.floats(0.3, 4), bend=st.floats(0.7, 1.4), top=st.floats(7, 40)
)
def test_solve_finds_the_amount_or_reports_the_largest_value(
    target: float, slope: float, bend: float, top: float
) -> None:
    calls = []

    def measure(amount: float) -> tuple[float, None]:
        calls.append(amount)
        return min(6 + slope * amount**bend, top), None

    try:
        solution = solve(measure, target, 6.0, 0.5, (target - 6) / 2, 200.0, "width")
    except AnatomyError:
        assert min(6 + slope * 200**bend, top) < target + 0.5
    else:
        assert abs(solution.value - target) <= 0.5
        assert solution.evaluations == len(calls)
    assert len(calls) <= EVALUATIONS


def test_the_violated_limit_is_named() -> None:
    with pytest.raises(AnatomyError, match=r"12.0 mm requested.*reached is [789]\.\d mm \(enough"):
        solve(lambda a: (6 + a, "enough" if a > 3 else None), 12, 6.0, 0.2, 4, 50, "width")


@pytest.mark.parametrize("mode", ["dilate", "displace"])
@pytest.mark.parametrize("more", [1.7, 4.3])
def test_the_atrium_gets_the_requested_width(mode: str, more: float) -> None:
    label, image, record = widened(NORMAL + more, mode=mode)
    assert image is None
    after = max(m.atrial_width_mm(label, SPACING, FETA).values())
    assert abs(after - (NORMAL + more)) <= SPACING[1] / 2
    assert record["achieved_atrial_width_mm"] == after
    assert record["requested_atrial_width_mm"] == NORMAL + more
    assert record["evaluations"] <= EVALUATIONS
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    np.testing.assert_array_equal(label == 0, LABEL == 0)


@pytest.mark.parametrize("mode", ["dilate", "displace"])
def test_the_present_width_changes_nothing(mode: str) -> None:
    image = np.random.Generator(np.random.Philox(3)).random(LABEL.shape).astype(np.float32)
    label, painted, _ = widened(NORMAL, mode=mode, image=image)
    np.testing.assert_array_equal(label, LABEL)
    np.testing.assert_allclose(painted, image, atol=1e-4)
    assert label is not LABEL


@pytest.mark.parametrize("mode", ["dilate", "displace"])
def test_one_side_grows_alone_or_by_a_ratio(mode: str) -> None:
    before = m.atrial_width_mm(LABEL, SPACING, FETA)
    alone, _, record = widened(13.0, mode=mode, side="left")
    widths = m.atrial_width_mm(alone, SPACING, FETA)
    assert widths["left"] == pytest.approx(13, abs=SPACING[1] / 2)
    assert widths["right"] == pytest.approx(before["right"], abs=SPACING[1])
    assert record["before_atrial_width_right_mm"] == before["right"]
    some, _, _ = widened(13.0, mode=mode, side="left", ratio=0.7)
    both = m.atrial_width_mm(some, SPACING, FETA)
    assert before["right"] + 1 < both["right"] < 13


def test_displaced_tissue_keeps_its_volume_and_topology() -> None:
    gains = []
    values = np.array([0, 90, 40, 50, 100, 45, 55, 60], np.float32)
    for width in (NORMAL + 4, NORMAL + 8):
        label, image, record = widened(width, mode="displace", image=values[LABEL])
        assert topology(label) == topology(LABEL)
        before, after = (m.volumes_ml(a, SPACING, FETA) for a in (LABEL, label))
        gained = after["ventricles"] - before["ventricles"]
        yielded = before["external_csf"] - after["external_csf"]
        solid = [sum(v[FETA.names[i]] for i in SOLID) for v in (before, after)]
        assert abs(solid[1] / solid[0] - 1) < 0.02
        gains.append((gained, yielded))
        assert sum(after.values()) == pytest.approx(sum(before.values()), rel=0.01)
        assert record["jacobian_min"] > 0
        assert record["before_volume_ml_white_matter"] == before["white_matter"]
        assert 0 <= record["parenchyma_loss"] < 0.1
        # The image went where the labels went.
        assert image is not None
        assert np.abs(image - values[label])[label > 0].mean() < 5
        # All that the ventricles gain the external CSF yields, but for the little that is lost.
        assert yielded == pytest.approx(gained, rel=0.15)
    assert gains == sorted(gains)


@functools.cache
def fine_phantom() -> np.ndarray:
    return phantom(21, 4, 0.5).label


@pytest.mark.parametrize("mode", ["dilate", "displace"])
def test_the_result_in_mm_does_not_depend_on_the_voxel_size(mode: str) -> None:
    """Every second voxel at 0.5 mm equals the result at 1 mm, to a voxel."""
    fine = fine_phantom()
    coarse = np.ascontiguousarray(fine[::2, ::2, ::2])
    wide, _, _ = ventriculomegaly(coarse, (1.0,) * 3, FETA, 11.0, mode=mode)
    thinned = ventriculomegaly(fine, (0.5,) * 3, FETA, 11.0, mode=mode)[0][::2, ::2, ::2]
    value = FETA.index("ventricles")
    for a, b in ((wide, thinned), (thinned, wide)):
        beyond = (a == value) & ~ndimage.binary_dilation(b == value, np.ones((3, 3, 3)))
        assert beyond.sum() <= 0.01 * (a == value).sum()


@pytest.mark.parametrize("mode", ["dilate", "displace"])
def test_a_larger_width_gives_larger_ventricles_in_any_memory_order(mode: str) -> None:
    value, volumes = FETA.index("ventricles"), []
    for more in (0, 3, 6):
        label, _, _ = widened(NORMAL + more, mode=mode)
        volumes.append((label == value).sum())
        np.testing.assert_array_equal(label == 0, LABEL == 0)
    assert volumes == sorted(set(volumes))
    turned = ventriculomegaly(np.asfortranarray(LABEL), SPACING, FETA, NORMAL + 6, mode=mode)[0]
    np.testing.assert_array_equal(turned, label)


@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 0, 2)])
def test_the_flow_does_not_depend_on_the_order_of_the_axes(axes: tuple[int, int, int]) -> None:
    fluid = [np.isin(LABEL, FETA.index(name)) for name in ("ventricles", "external_csf")]
    masks = [*fluid, np.isin(LABEL, SOLID), LABEL > 0]

    def flowing(order: tuple[int, int, int]) -> np.ndarray:
        ventricles, *others = (mask.transpose(order) for mask in masks)
        flow = Flow({"both": ventricles}, {"both": 1.0}, *others, SPACING, 0.3, 0.2)
        return flow.displacement(1.5)

    plain, turned = flowing((0, 1, 2)), flowing(axes)
    expected = plain[list(axes)].transpose(0, *(a + 1 for a in axes))
    assert np.abs(plain).max() > 1
    np.testing.assert_allclose(turned, expected, atol=0.02)


def test_a_growing_head_makes_room_for_its_share() -> None:
    roomy = np.pad(LABEL, 6)
    value, gains = FETA.index("ventricles"), []
    for share in (0.3, 1.0):
        label, _, record = ventriculomegaly(
            roomy, SPACING, FETA, NORMAL + 5, mode="displace", head_growth=share
        )
        gained = (label == value).sum() - (roomy == value).sum()
        grown = (label > 0).sum() - (roomy > 0).sum()
        assert grown == pytest.approx(share * gained, abs=0.1 * gained)
        assert record["intracranial_change"] == pytest.approx(grown / (roomy > 0).sum())
        assert record["jacobian_min"] > 0
        gains.append(record["external_csf_left"])
    assert gains == sorted(gains)


@settings(max_examples=6, deadline=None)
@given(
    share=st.floats(0.6, 0.85),
    head_growth=st.sampled_from([0.0, 0.5, 1.0]),
    touching=st.booleans(),
    side=st.sampled_from(["both", "left"]),
)
def test_ventricles_become_narrow_and_the_brain_follows(
    share: float, head_growth: float, touching: bool, side: str
) -> None:
    """The wider of two ventricles narrows, in a brain with and without CSF around it."""
    wide = np.pad(wide_phantom(), 4)
    csf, ventricles = FETA.index("external_csf"), FETA.index("ventricles")
    if touching:
        pools = np.arange(wide.shape[1])[:, None] > wide.shape[1] // 2
        wide = np.where((wide == csf) & pools, 0, wide)
    present = m.atrial_width_mm(wide, SPACING, FETA)["left" if side == "left" else "right"]
    label, _, record = ventriculomegaly(
        wide, SPACING, FETA, share * present, mode="displace", side=side, head_growth=head_growth
    )
    assert record["achieved_atrial_width_mm"] == pytest.approx(share * present, abs=SPACING[1] / 2)
    assert record["jacobian_min"] > 0
    lost = int((wide == ventricles).sum() - (label == ventricles).sum())
    assert lost > 0
    assert (wide > 0).sum() - (label > 0).sum() == pytest.approx(head_growth * lost, abs=0.1 * lost)
    for value, before, after in zip(
        range(1, len(FETA.names)), topology(wide), topology(label), strict=True
    ):
        assert before == after or (value == csf and "external_csf_opened_ml" in record)
    solid = [np.isin(a, SOLID).sum() for a in (wide, label)]
    assert solid[1] == pytest.approx(solid[0], rel=0.02)
    if head_growth == 0:
        np.testing.assert_array_equal(label == 0, wide == 0)


@functools.cache
def wide_phantom() -> np.ndarray:
    return widened(NORMAL + 6, mode="displace")[0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"atrial_width_mm": 5.0}, "less than the present .* mode displace narrows"),
        (
            {"atrial_width_mm": 0.2, "mode": "displace"},
            r"0.2 mm requested; the smallest that can be reached is \d\.\d mm",
        ),
        ({"atrial_width_mm": 60.0}, r"the largest that can be reached is \d\d\.\d mm"),
        ({"atrial_width_mm": float("nan")}, "0 or more"),
        ({"atrial_width_mm": 12.0, "mode": "stretch"}, "allowed are dilate, displace"),
        ({"atrial_width_mm": 12.0, "side": "top"}, "allowed are both, left, right"),
        ({"atrial_width_mm": 12.0, "ratio": 0.5}, "ratio is 0.5"),
        ({"atrial_width_mm": 12.0, "into": ["external_csf"]}, "allowed are"),
        (
            {
                "atrial_width_mm": 14.0,
                "mode": "displace",
                "csf_min_share": 0.95,
                "parenchyma_loss_max": 0.01,
            },
            r"largest that can be reached is \d+\.\d mm \(parenchyma_loss_max is 0.01\)",
        ),
        (
            {
                "atrial_width_mm": 18.0,
                "mode": "displace",
                "mantle_min_mm": 15.0,
                "parenchyma_loss_max": 0.5,
            },
            r"\(mantle_min_mm is 15\)",
        ),
        ({"atrial_width_mm": 12.0, "mode": "displace", "csf_min_share": 2}, "allowed are 0 to"),
        ({"atrial_width_mm": 12.0, "mode": "displace", "head_growth": -1}, "allowed are 0 to 1"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(more: dict[str, Any], words: str) -> None:
    with pytest.raises(AnatomyError, match=words) as error:
        ventriculomegaly(LABEL, SPACING, FETA, **more)
    assert "\n" not in str(error.value)


def test_a_side_with_no_ventricle_and_a_table_with_none_are_refused() -> None:
    with pytest.raises(AnatomyError, match="no atrium of a lateral ventricle in the left side"):
        ventriculomegaly(head(left_mm=0), (1.0,) * 3, FETA, 12, side="left")
    heart = LabelTable(("background", "myocardium"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(AnatomyError, match="no tissue 'ventricles'"):
        ventriculomegaly((LABEL > 0).astype(np.uint8), SPACING, heart, 12)


@pytest.mark.parametrize("mode", ["dilate", "displace"])
def test_the_real_atlas_can_be_edited_and_its_image_follows(real_data: Path, mode: str) -> None:
    (record,) = list_bids_subjects(real_data / "fetal-spina-bifida", None, None, ["ga25pre"])
    subject = load_subject(record, 1.25)
    spacing = subject.grid.spacing
    present = max(m.atrial_width_mm(subject.label, spacing, FETA).values())
    label, image, edit_record = ventriculomegaly(
        subject.label, spacing, FETA, present + 1, mode=mode, image=subject.image
    )
    assert edit_record["achieved_atrial_width_mm"] == pytest.approx(present + 1, abs=1.25 / 2)
    assert image is not None
    fluid, white = (image[label == FETA.index(t)].mean() for t in ("ventricles", "white_matter"))
    assert fluid > 1.2 * white
    if mode == "displace":
        assert topology(label) == topology(subject.label)
