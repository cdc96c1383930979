"""Edits of adult heads in a clinician's terms, on a small made-up head with FreeSurfer's names."""

from typing import Any

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from factory.anatomy.edits.atrophy.edit import atrophy
from factory.anatomy.edits.cortical_thinning.edit import cortical_thinning
from factory.anatomy.edits.ventriculomegaly import Ventriculomegaly
from factory.anatomy.edits.ventriculomegaly.evans import reach_evans_index
from factory.anatomy.edits.white_matter_lesions import WhiteMatterLesions
from factory.anatomy.edits.white_matter_lesions.edit import white_matter_lesions
from factory.anatomy.measures import components, euler_number, evans_index
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.errors import AnatomyError
from factory.storage.subjects.types import LabelTable

NAMES = ("cerebral_white_matter", "cerebral_cortex", "lateral_ventricle", "thalamus", "hippocampus")
SIDED = tuple(f"{side}_{name}" for side in ("left", "right") for name in NAMES)
TABLE = LabelTable(
    ("background", *SIDED, "csf", "skin", "cortical_bone", "white_matter_lesion"),
    ((0, 0, 0),) * (len(SIDED) + 5),
    (("hippocampi", ("left_hippocampus", "right_hippocampus")),),
)
SPACING = (2.0, 2.0, 2.0)


def head() -> np.ndarray:
    """Return a head of 60 × 72 × 64 voxels of 2 mm: skin, bone, CSF and a brain in two halves."""
    shape = (60, 72, 64)
    z, y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    z, y, x = z[:, None, None] * 2, y[None, :, None] * 2, x[None, None, :] * 2

    def ellipsoid(
        centre: tuple[float, float, float], half: tuple[float, float, float]
    ) -> np.ndarray:
        return sum(((w - c) / h) ** 2 for w, c, h in zip((z, y, x), centre, half, strict=True)) < 1  # type: ignore

    label = np.zeros(shape, np.uint8)
    for name, size in (("skin", 0), ("cortical_bone", 4), ("csf", 8)):
        label[ellipsoid((0, 0, 0), (56 - size, 68 - size, 60 - size))] = TABLE.index(name)
    for side, sign in (("left", -1), ("right", 1)):
        half = np.broadcast_to(x * sign > 0, shape)
        for name, centre, size in (
            ("cerebral_cortex", (0, 0, 0), (43, 55, 47)),
            ("cerebral_white_matter", (0, 0, 0), (37, 49, 41)),
            ("lateral_ventricle", (6, 4, 9 * sign), (9, 27, 7)),
            ("thalamus", (-10, -8, 9 * sign), (8, 12, 7)),
            ("hippocampus", (-16, -8, 26 * sign), (6, 15, 6)),
        ):
            label[ellipsoid(centre, size) & half] = TABLE.index(f"{side}_{name}")
    return label


HEAD = head()
PRESENT = evans_index(HEAD, SPACING, TABLE)


def count(label: np.ndarray, name: str) -> int:
    return int(np.isin(label, TABLE.values_of(name)).sum())


def test_the_index_is_the_horns_over_the_skull() -> None:
    assert pytest.approx(32 / 104, abs=0.03) == PRESENT
    feta = LabelTable(("background", "ventricles"), ((0, 0, 0),) * 2)
    assert evans_index(np.ones((3, 3, 3), np.uint8), SPACING, feta) is None


@pytest.mark.parametrize("change", [-0.05, 0.05, 0.1])
def test_ventricles_grow_and_shrink_to_an_index(change: float) -> None:
    assert PRESENT is not None
    target = PRESENT + change
    new, _, record = reach_evans_index(HEAD, SPACING, TABLE, target)
    after = evans_index(new, SPACING, TABLE)
    assert after == record["achieved_evans_index"]
    assert after == pytest.approx(target, abs=2 / 100)
    assert record["jacobian_min"] > 0
    assert record["parenchyma_loss"] < 0.05
    assert components(new, TABLE) == components(HEAD, TABLE)
    assert euler_number(new, TABLE) == euler_number(HEAD, TABLE)
    for name in ("background", "skin", "cortical_bone"):
        np.testing.assert_array_equal(
            new == TABLE.names.index(name), TABLE.names.index(name) == HEAD
        )
    lost = count(HEAD, "csf") - count(new, "csf")
    assert np.sign(lost) == np.sign(change)  # the CSF gives way or fills the room


def test_the_present_index_changes_nothing() -> None:
    assert PRESENT is not None
    np.testing.assert_array_equal(reach_evans_index(HEAD, SPACING, TABLE, PRESENT)[0], HEAD)
    with pytest.raises(AnatomyError, match=r"an Evans index of 0.6 requested; the nearest that"):
        reach_evans_index(HEAD, SPACING, TABLE, 0.6, parenchyma_loss_max=0.001)
    with pytest.raises(AnatomyError, match="no two frontal horns"):
        reach_evans_index(np.where(HEAD == 3, 1, HEAD).astype(np.uint8), SPACING, TABLE, 0.4)


def test_an_index_stands_alone_in_a_recipe() -> None:
    edit = Ventriculomegaly.model_validate({"evans_index": 0.35})
    assert edit.missing_labels(TABLE.names) == ()
    assert edit.missing_labels(("background", "ventricles"))[0] == "left_lateral_ventricle"
    with pytest.raises(ValueError, match="beside evans_index; allowed: parenchyma_loss_max"):
        Ventriculomegaly.model_validate({"evans_index": 0.35, "side": "left"})


@settings(max_examples=10, deadline=None)
@given(st.floats(0.3, 1), st.sampled_from(["csf", None]))
def test_each_side_of_a_region_loses_the_same_share(share: float, into: str | None) -> None:
    new, _, record = atrophy(HEAD, SPACING, TABLE, "hippocampi", share, into)
    for side in ("left", "right"):
        name = f"{side}_hippocampus"
        assert abs(count(new, name) - share * count(HEAD, name)) <= 0.5
    lost = new != HEAD
    assert np.isin(HEAD[lost], TABLE.values_of("hippocampi")).all()
    if into:
        assert (new[lost] == TABLE.index("csf")).all()
    assert record["achieved_volume_ml"] == pytest.approx(count(new, "hippocampi") * 0.008)
    less, _, _ = atrophy(HEAD, SPACING, TABLE, "hippocampi", (1 + share) / 2, into)
    assert not ((less != HEAD) & ~lost).any()


def test_atrophy_takes_from_all_sides() -> None:
    new, _, _ = atrophy(HEAD, SPACING, TABLE, "left_hippocampus", 0.8, "csf")
    value = TABLE.index("left_hippocampus")
    before, after = (np.argwhere(label == value).mean(0) for label in (HEAD, new))
    assert np.abs(before - after).max() < 0.25
    with pytest.raises(AnatomyError, match="into is hippocampi, which is a region"):
        atrophy(HEAD, SPACING, TABLE, "left_hippocampus", 0.8, "hippocampi")


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 9),
    st.floats(0, 6),
    st.integers(1, 15),
    st.sampled_from(["anywhere", "periventricular", "deep"]),
)
def test_lesions_have_their_volume_and_lie_where_they_are_asked_for(
    seed: int, volume_ml: float, number: int, place: str
) -> None:
    arguments = (HEAD, SPACING, TABLE, seed, volume_ml, number, place)
    new, _, record = white_matter_lesions(*arguments)
    lesions = new == TABLE.index("white_matter_lesion")
    np.testing.assert_array_equal(new[~lesions], HEAD[~lesions])
    assert lesions.sum() == round(volume_ml / 0.008)
    assert np.isin(HEAD[lesions], (1, 6)).all()
    pieces = int(cc3d.connected_components(lesions, connectivity=26).max())
    assert pieces == record["achieved_number"] == min(number, lesions.sum())
    ventricles = np.isin(HEAD, (3, 8))
    distance_mm = ndimage.distance_transform_edt(~ventricles, sampling=SPACING)[lesions]
    assert place == "anywhere" or ((distance_mm <= 10) == (place == "periventricular")).all()
    np.testing.assert_array_equal(white_matter_lesions(*arguments)[0], new)


def test_too_many_lesions_are_refused_in_one_line() -> None:
    with pytest.raises(AnatomyError, match=r"the periventricular white matter has \d+ ml, and"):
        white_matter_lesions(HEAD, SPACING, TABLE, 1, 500.0, 10, "periventricular")
    edit = WhiteMatterLesions.model_validate({"volume_ml": 1.0})
    assert edit.missing_labels(("background", "liver")) == ("white_matter", "ventricles")
    assert edit.missing_labels(TABLE.names) == ()


@pytest.mark.parametrize("gains", ["external_csf", "white_matter"])
def test_the_cortex_of_both_sides_becomes_thinner(gains: str) -> None:
    values: dict[str, Any] = {"share": 0.25, "gains": gains}
    new, _, record = cortical_thinning(HEAD, SPACING, TABLE, **values)
    assert record["achieved_share"] == pytest.approx(0.25, abs=1e-3)
    before, after = (cortical_thickness_mm(m, SPACING, TABLE)["mean"] for m in (HEAD, new))
    assert before is not None
    assert after is not None
    assert after < before - 0.5
    lost = new != HEAD
    expected = {TABLE.index("csf")} if gains == "external_csf" else {1, 6}
    assert set(np.unique(new[lost])) == expected
    if gains == "white_matter":
        assert (new[lost & (HEAD == 2)] == 1).mean() > 0.99  # each side its own


def test_a_slice_is_edited_like_a_volume() -> None:
    plane, spacing = np.ascontiguousarray(HEAD[33:34]), (5.0, 2.0, 2.0)
    wide, _, _ = reach_evans_index(plane, spacing, TABLE, 0.36)
    assert evans_index(wide, spacing, TABLE) == pytest.approx(0.36, abs=0.02)
    _, _, record = white_matter_lesions(plane, spacing, TABLE, 1, 2.0, 6, "deep")
    assert record["achieved_number"] == 6
    low = np.ascontiguousarray(HEAD[22:23])
    small, _, _ = atrophy(low, spacing, TABLE, "hippocampi", 0.7, "csf")
    assert count(small, "hippocampi") == pytest.approx(0.7 * count(low, "hippocampi"), abs=1)
