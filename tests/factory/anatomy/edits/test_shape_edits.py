"""microcephaly, grow, asymmetry and edits of the cerebellum, on a head of known sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy import ndimage
from support.heads import head

from factory.anatomy import measures as m
from factory.anatomy.edits.asymmetry.edit import asymmetry
from factory.anatomy.edits.cerebellar_growth.edit import cerebellar_growth
from factory.anatomy.edits.cerebellar_hypoplasia.edit import cerebellar_hypoplasia
from factory.anatomy.edits.grow.edit import grow
from factory.anatomy.edits.microcephaly.edit import microcephaly
from factory.anatomy.regions import CEREBRUM
from factory.errors import AnatomyError
from factory.storage.subjects import growth_curves as growth
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, LabelTable, Subject

SPACING = (2.0, 2.0, 2.0)
HEAD = head(SPACING)
HEAD.setflags(write=False)
IMAGE = np.linspace(0, 1, 8, dtype=np.float32)[HEAD]
IMAGE.setflags(write=False)
WHERE = (HEAD, SPACING, FETA)
BIPARIETAL, OCCIPITO_FRONTAL, CEREBELLUM = (
    measure(*WHERE) for measure in (m.biparietal_mm, m.occipito_frontal_mm, m.transcerebellar_mm)
)
INNER_TISSUES = [name for name in FETA.names[1:] if name != "external_csf"]

EDITS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    # function, parameters that change nothing, strong parameters
    (microcephaly, {"biparietal_mm": BIPARIETAL}, {"biparietal_mm": 60.0}),
    (grow, {"to_weeks": 30, "age_weeks": 30}, {"to_weeks": 25, "age_weeks": 30}),
    (
        asymmetry,
        {"side": "left", "hemisphere_share": 0.0},
        {"side": "left", "ventricle_share": 0.3},
    ),
    (
        asymmetry,
        {"side": "left", "ventricle_share": 0.0},
        {"side": "right", "hemisphere_share": -0.15},
    ),
    (cerebellar_hypoplasia, {"transcerebellar_mm": CEREBELLUM}, {"transcerebellar_mm": 20.0}),
    (
        cerebellar_growth,
        {"transcerebellar_mm": CEREBELLUM},
        {"transcerebellar_mm": CEREBELLUM + 6},
    ),
]


def same_topology(old: np.ndarray, new: np.ndarray, names: list[str]) -> None:
    for count in (m.components, m.euler_number):
        before, after = count(old, FETA), count(new, FETA)
        assert {n: after[n] for n in names} == {n: before[n] for n in names}


def edit_unless_topology_blocks(edit: Any, **parameters: float) -> Any:
    """Edit the head; skip an example that the edit refuses because topology blocks a voxel."""
    try:
        return edit(*WHERE, **parameters)
    except AnatomyError as error:
        if "with unchanged topology it is" not in str(error):
            raise
        reject()


@pytest.mark.parametrize(("edit", "nothing", "_"), EDITS)
def test_a_strength_of_zero_changes_nothing(edit: Any, nothing: Any, _: Any) -> None:
    label, image, _ = edit(*WHERE, image=IMAGE, **nothing)
    np.testing.assert_array_equal(label, HEAD)
    np.testing.assert_array_equal(image, IMAGE)
    assert label is not HEAD
    assert image is not IMAGE


@pytest.mark.parametrize(("edit", "_", "strong"), EDITS)
def test_the_image_follows_and_the_record_is_plain_json(edit: Any, _: Any, strong: Any) -> None:
    label, image, record = edit(*WHERE, image=IMAGE, **strong)  # inputs refuse to be written to
    assert label.dtype == np.uint8
    assert image.dtype == np.float32
    assert (label != HEAD).any()
    for value in (3, 4, 5):
        assert np.median(image[label == value]) == pytest.approx(value / 7, abs=0.03)
    assert json.loads(json.dumps(record)) == record
    assert record["jacobian_min"] > 0
    assert record["before_volume_ml_cerebellum"] == m.volumes_ml(*WHERE)["cerebellum"]
    same_topology(HEAD, label, INNER_TISSUES)


@settings(max_examples=8, deadline=None)
@given(bpd=st.floats(0.65, 1.0), ofd=st.floats(0.65, 1.0))
def test_a_small_head_gets_the_requested_diameters(bpd: float, ofd: float) -> None:
    targets = {"biparietal_mm": bpd * BIPARIETAL, "occipito_frontal_mm": ofd * OCCIPITO_FRONTAL}
    label, _, record = edit_unless_topology_blocks(microcephaly, **targets)
    for name, measure in (
        ("biparietal_mm", m.biparietal_mm),
        ("occipito_frontal_mm", m.occipito_frontal_mm),
    ):
        assert measure(label, SPACING, FETA) == record[f"achieved_{name}"]
        assert measure(label, SPACING, FETA) == pytest.approx(targets[name], abs=1.01)
    same_topology(HEAD, label, list(FETA.names[1:]))


def test_the_other_diameter_follows_in_proportion() -> None:
    label, _, _ = microcephaly(*WHERE, biparietal_mm=0.8 * BIPARIETAL)
    assert m.occipito_frontal_mm(label, SPACING, FETA) == pytest.approx(
        0.8 * OCCIPITO_FRONTAL, abs=2
    )
    before, after = m.volumes_ml(*WHERE), m.volumes_ml(label, SPACING, FETA)
    for name in ("white_matter", "ventricles", "cerebellum"):
        assert after[name] == pytest.approx(0.8**3 * before[name], rel=0.08)


def test_a_smaller_diameter_gives_a_smaller_volume() -> None:
    volumes = [
        (microcephaly(*WHERE, biparietal_mm=mm)[0] > 0).sum() for mm in (72.0, 66.0, 60.0, 54.0)
    ]
    assert volumes == sorted(volumes, reverse=True)
    assert len(set(volumes)) == 4


@settings(max_examples=10, deadline=None)
@given(share=st.floats(0.35, 1.0))
def test_a_small_cerebellum_gets_the_requested_diameter_and_csf_replaces_it(
    share: float,
) -> None:
    target_mm = share * CEREBELLUM
    label, _, record = edit_unless_topology_blocks(
        cerebellar_hypoplasia, transcerebellar_mm=target_mm
    )
    achieved = m.transcerebellar_mm(label, SPACING, FETA)
    assert achieved == record["achieved_transcerebellar_mm"]
    assert achieved == pytest.approx(target_mm, abs=1.01)
    changed = label != HEAD
    assert set(HEAD[changed]) <= {FETA.index("cerebellum")}
    assert set(label[changed]) <= {FETA.index("external_csf")}
    same_topology(HEAD, label, INNER_TISSUES)


def test_the_cerebellum_stays_by_the_brainstem_and_without_csf_leaves_background() -> None:
    label, _, _ = cerebellar_hypoplasia(*WHERE, transcerebellar_mm=15.0)
    distance = ndimage.distance_transform_edt(np.not_equal(HEAD, FETA.index("brainstem")))
    before, after = (distance[a == FETA.index("cerebellum")].min() for a in (HEAD, label))
    assert after <= before + 2
    names = tuple("skin" if n == "external_csf" else n for n in FETA.names)
    bare, _, _ = cerebellar_hypoplasia(
        HEAD, SPACING, LabelTable(names, FETA.colours), transcerebellar_mm=15.0
    )
    np.testing.assert_array_equal(bare == 0, (HEAD == 0) | (label != HEAD))


def test_a_share_of_the_norm_uses_the_norm_for_the_age() -> None:
    _, _, record = cerebellar_hypoplasia(*WHERE, share_of_norm=0.7, age_weeks=28)
    assert record["requested_transcerebellar_mm"] == 0.7 * growth.transcerebellar_mm(28)


@settings(max_examples=4, deadline=None)
@given(share=st.floats(-0.3, 0), side=st.sampled_from(["left", "right"]))
def test_one_hemisphere_changes_but_neither_the_skull_nor_the_other_side(
    share: float, side: str
) -> None:
    label, _, record = asymmetry(*WHERE, side, hemisphere_share=share)
    cerebrum = [FETA.index(n) for n in CEREBRUM if n in FETA.names]
    half = HEAD.shape[2] // 2
    edited_side, other = (
        (slice(0, half), slice(half, None))
        if side == "left"
        else (slice(half, None), slice(0, half))
    )

    def ratio(side: slice) -> float:
        return np.isin(label, cerebrum)[:, :, side].sum() / (
            np.isin(HEAD, cerebrum)[:, :, side].sum()
        )

    assert ratio(edited_side) - 1 == pytest.approx(share, abs=0.035)
    assert ratio(other) == pytest.approx(1, abs=0.015)
    assert record["achieved_hemisphere_share"] == pytest.approx(share, abs=0.02)
    np.testing.assert_array_equal(label == 0, HEAD == 0)
    for tissue in ("cerebellum", "brainstem"):
        after_ml = m.volumes_ml(label, SPACING, FETA)[tissue]
        assert after_ml == pytest.approx(m.volumes_ml(*WHERE)[tissue], rel=0.06)
    same_topology(HEAD, label, INNER_TISSUES)


def test_one_ventricle_changes_by_its_share() -> None:
    widths = []
    for share in (-0.4, 0.5, 1.2):
        label, _, record = asymmetry(*WHERE, "right", ventricle_share=share)
        assert record["achieved_ventricle_share"] == pytest.approx(share, abs=0.045)
        atria = m.atrial_width_mm(label, SPACING, FETA)
        widths.append(atria["right"])
        assert atria["left"] == m.atrial_width_mm(*WHERE)["left"]
    assert widths == sorted(widths)
    assert widths[-1] > widths[0] + 2


@settings(max_examples=4, deadline=None)
@given(age=st.floats(22, 34), to=st.floats(22, 34))
def test_diameters_and_organs_follow_the_growth_curves(age: float, to: float) -> None:
    subject = np.pad(HEAD, 20)
    label, _, record = grow(subject, SPACING, FETA, to, age)
    (x0, y0), (x1, y1) = growth.intracranial_mm(age), growth.intracranial_mm(to)
    assert m.biparietal_mm(label, SPACING, FETA) == pytest.approx(BIPARIETAL * x1 / x0, abs=2.1)
    assert m.occipito_frontal_mm(label, SPACING, FETA) == pytest.approx(
        OCCIPITO_FRONTAL * y1 / y0, abs=2.1
    )
    volumes = m.volumes_ml(label, SPACING, FETA)
    # Walls move by whole voxels: half of one is a third of a tube 8 mm wide, here.
    for name, tolerance in (("ventricles", 0.4), ("cerebellum", 0.15)):
        assert volumes[name] == record[f"achieved_volume_ml_{name}"]
        requested = record[f"requested_volume_ml_{name}"]
        assert volumes[name] == pytest.approx(requested, rel=tolerance)
    assert record["age_weeks"] == to
    same_topology(subject, label, list(FETA.names[1:]))


@settings(max_examples=8, deadline=None)
@given(ratio=st.floats(1.0, 1.3), csf=st.booleans())
def test_the_cerebellum_grows_and_pushes_what_is_around_it(ratio: float, csf: bool) -> None:
    roomy = np.pad(HEAD, 6)
    if not csf:  # the skull lies on the brain below
        below = np.arange(len(roomy))[:, None, None] < len(roomy) // 2
        roomy = np.where((roomy == FETA.index("external_csf")) & below, 0, roomy)
    label, _, record = cerebellar_growth(
        roomy, SPACING, FETA, transcerebellar_mm=ratio * CEREBELLUM
    )
    after = m.transcerebellar_mm(label, SPACING, FETA)
    assert after == record["achieved_transcerebellar_mm"]
    assert after == pytest.approx(ratio * CEREBELLUM, abs=SPACING[2] + 1e-3)
    same_topology(roomy, label, list(FETA.names[1:]))
    ml = [m.volumes_ml(a, SPACING, FETA) for a in (roomy, label)]
    assert ml[1]["cerebellum"] >= ml[0]["cerebellum"]
    for name in ("brainstem", "white_matter", "grey_matter", "ventricles"):
        assert ml[1][name] == pytest.approx(ml[0][name], rel=0.04)
    assert record["jacobian_min"] > 0
    grown = record["intracranial_change"]
    assert grown >= 0
    if not csf and label.tobytes() != roomy.tobytes():
        assert grown > 0


def test_a_phantom_taken_to_another_age_has_the_volumes_of_that_age() -> None:
    young, old = phantom(25, 3, 1.5), phantom(31, 3, 1.5)
    where = young.grid.spacing, FETA
    label, _, _ = grow(np.pad(young.label, 13), *where, 31, 25)
    after, expected = m.volumes_ml(label, *where), m.volumes_ml(old.label, *where)
    for name in ("cerebellum", "brainstem", "ventricles", "deep_grey_matter"):
        assert after[name] == pytest.approx(expected[name], rel=0.25)


@pytest.mark.parametrize("fine", [(0.5,) * 3, (1.0,) * 3], ids=str)
def test_the_diameters_are_reached_at_other_voxel_sizes(fine: tuple[float, float, float]) -> None:
    label = head(fine)
    for edit, parameters, measure in (
        (microcephaly, {"biparietal_mm": 61.0}, m.biparietal_mm),
        (cerebellar_hypoplasia, {"transcerebellar_mm": 21.3}, m.transcerebellar_mm),
    ):
        edited, _, _ = edit(label, fine, FETA, **parameters)
        (target_mm,) = parameters.values()
        assert measure(edited, fine, FETA) == pytest.approx(target_mm, abs=fine[0] / 2 + 1e-3)


@pytest.mark.parametrize(
    ("edit", "parameters", "words"),
    [
        (microcephaly, {}, "no biparietal_mm and no occipito_frontal_mm"),
        (microcephaly, {"biparietal_mm": 20.0}, r"allows 4\d\.\d to 7\d\.\d mm"),
        (microcephaly, {"biparietal_mm": 99.0}, r"is 99; this head allows"),
        (microcephaly, {"biparietal_mm": float("nan")}, "is nan; this head allows"),
        (cerebellar_hypoplasia, {}, "neither of transcerebellar_mm and share_of_norm"),
        (cerebellar_hypoplasia, {"transcerebellar_mm": 5.0}, r"cerebellum allows \d\.\d to \d\d"),
        (cerebellar_hypoplasia, {"share_of_norm": 0.5}, "gestational age, which is not known"),
        (cerebellar_hypoplasia, {"share_of_norm": 0.5, "age_weeks": 12}, "runs from 20 to 38"),
        (cerebellar_growth, {}, "neither of transcerebellar_mm and share_of_norm"),
        (cerebellar_growth, {"transcerebellar_mm": 20.0}, r"cerebellum allows \d\d\.\d to \d\d"),
        (cerebellar_growth, {"transcerebellar_mm": 60.0}, "is 60; this cerebellum allows"),
        (asymmetry, {"side": "left"}, "no hemisphere_share and no ventricle_share"),
        (asymmetry, {"side": "both", "hemisphere_share": 0.1}, "allowed are left, right"),
        (asymmetry, {"side": "left", "hemisphere_share": -0.9}, "allowed are -0.4 to 0.2"),
        (asymmetry, {"side": "left", "hemisphere_share": 0.19}, "nearest this head allows is 0"),
        (grow, {"to_weeks": 30}, "gestational age is not known"),
        (grow, {"to_weeks": 50, "age_weeks": 30}, "allowed are 20 to 38"),
        (grow, {"to_weeks": 38, "age_weeks": 20}, r"needs \d+ × \d+ × \d+ voxels"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(
    edit: Any, parameters: Any, words: str
) -> None:
    with pytest.raises(AnatomyError, match=words) as error:
        edit(*WHERE, **parameters)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def atlas(real_data: Path) -> Subject:
    (record,) = list_bids_subjects(real_data / "fetal-spina-bifida", None, None, ["ga28op"])
    return load_subject(record, 1.0)


@pytest.mark.parametrize(
    ("edit", "parameters", "key"),
    [
        (microcephaly, {"biparietal_mm": 54.0}, "biparietal_mm"),
        (cerebellar_hypoplasia, {"transcerebellar_mm": 17.0}, "transcerebellar_mm"),
        (cerebellar_growth, {"share_of_norm": 1.0, "age_weeks": 28}, "transcerebellar_mm"),
        (asymmetry, {"side": "left", "hemisphere_share": -0.2}, "hemisphere_share"),
        (asymmetry, {"side": "right", "ventricle_share": 0.5}, "ventricle_share"),
        (grow, {"to_weeks": 31, "age_weeks": 28}, "occipito_frontal_mm"),
    ],
)
def test_a_real_brain_reaches_the_requested_values(
    atlas: Subject, edit: Any, parameters: Any, key: str
) -> None:
    label, image, record = edit(atlas.label, (1.0,) * 3, FETA, image=atlas.image, **parameters)
    tolerance = (
        0.02 if key.endswith("share") else 1.01 if edit in (grow, cerebellar_growth) else 0.51
    )
    assert record[f"achieved_{key}"] == pytest.approx(record[f"requested_{key}"], abs=tolerance)
    same_topology(atlas.label, label, INNER_TISSUES)
    for name in ("ventricles", "cerebellum", "brainstem") if edit is grow else ():
        requested = record[f"requested_volume_ml_{name}"]
        assert record[f"achieved_volume_ml_{name}"] == pytest.approx(requested, rel=0.1)
    for tissue in ("white_matter", "cerebellum"):
        value = FETA.index(tissue)
        before = atlas.image[atlas.label == value].mean()
        assert image[label == value].mean() == pytest.approx(before, rel=0.1)
