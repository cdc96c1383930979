import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.heads import head

from factory.anatomy import measures as m
from factory.errors import AnatomyError
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA, LabelTable

TWO = (2.0, 2.0, 2.0)
LENGTHS = (
    "atrial_width_left_mm",
    "atrial_width_right_mm",
    "biparietal_mm",
    "occipito_frontal_mm",
    "transcerebellar_mm",
    "cortical_thickness_mm",
    "cortical_thickness_p5_mm",
)
HEAD = head(TWO, left_mm=7, right_mm=10, others=True)
COLUMNS = m.measure(HEAD, TWO, FETA)
names = st.lists(st.sampled_from([*FETA.names[1:], "corpus_callosum", "lesion"]), unique=True)


def table_of(tissues: list[str]) -> LabelTable:
    return LabelTable(("background", *tissues), ((0, 0, 0),) * (len(tissues) + 1))


@pytest.mark.parametrize("spacing", [TWO, (1.0, 2.0, 1.5)])
def test_columns_have_the_values_of_their_functions(spacing: tuple[float, float, float]) -> None:
    label = head(spacing, left_mm=7, right_mm=10, others=True)
    columns = m.measure(label, spacing, FETA)
    where = label, spacing, FETA
    widths, thickness = m.atrial_width_mm(*where), m.cortical_thickness_mm(*where)
    expected = {
        **{f"volume_ml_{name}": ml for name, ml in m.volumes_ml(*where).items()},
        "atrial_width_left_mm": widths["left"],
        "atrial_width_right_mm": widths["right"],
        "atrial_width_mm": widths["right"],
        "ventricle_brain_ratio": m.ventricle_brain_ratio(*where),
        "biparietal_mm": m.biparietal_mm(*where),
        "occipito_frontal_mm": m.occipito_frontal_mm(*where),
        "transcerebellar_mm": m.transcerebellar_mm(*where),
        "cortical_thickness_mm": thickness["mean"],
        "cortical_thickness_p5_mm": thickness["p5"],
        "gyrification_index": m.gyrification(*where),
        **{f"components_{name}": n for name, n in m.components(label, FETA).items()},
        **{f"euler_{name}": n for name, n in m.euler_number(label, FETA).items()},
    }
    lateral_ml = columns.pop("volume_ml_lateral_ventricles")
    assert columns == pytest.approx(expected)
    assert 2 < lateral_ml < columns["volume_ml_ventricles"]


def test_a_phantom_has_every_measure() -> None:
    subject = phantom(24, 0, 2.0)
    columns = m.measure(subject.label, subject.grid.spacing, FETA)
    assert not [name for name, value in columns.items() if value is None]
    assert json.loads(json.dumps(columns, allow_nan=False)) == columns


def test_measures_that_do_not_apply_are_none() -> None:
    bare = HEAD.copy()
    bare[bare == FETA.index("ventricles")] = FETA.index("white_matter")
    columns = m.measure(bare, TWO, FETA)
    assert columns["atrial_width_mm"] is columns["atrial_width_left_mm"] is None
    assert columns["volume_ml_lateral_ventricles"] == columns["ventricle_brain_ratio"] == 0
    heart = table_of(["myocardium"])
    columns = m.measure((bare > 0).astype(np.uint8), TWO, heart)
    assert {name for name, value in columns.items() if value is not None} == {
        "volume_ml_myocardium",
        "components_myocardium",
        "euler_myocardium",
    }
    assert columns["volume_ml_myocardium"] == pytest.approx((bare > 0).sum() * 8 / 1000)
    with pytest.raises(AnatomyError, match="no tissue 'ventricles'"):
        m.atrial_width_mm(bare, TWO, heart)


@settings(max_examples=80, deadline=None)
@given(tissues=names, data=st.data())
def test_any_map_of_any_table_has_every_column(tissues: list[str], data: st.DataObject) -> None:
    table = table_of(tissues)
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    label = data.draw(arrays(np.uint8, shape, elements=st.integers(0, len(tissues))))
    columns = m.measure(label, (1.0, 0.7, 1.3), table)
    assert list(columns) == list(m.measure(np.zeros_like(label), (1.0, 0.7, 1.3), table))
    assert json.loads(json.dumps(columns, allow_nan=False)) == columns
    for name in tissues:
        assert (columns[f"components_{name}"] > 0) == (columns[f"volume_ml_{name}"] > 0)


@settings(max_examples=10, deadline=None)
@given(padding=st.tuples(*[st.tuples(st.integers(0, 9), st.integers(0, 9))] * 3))
def test_the_position_of_the_head_does_not_matter(padding: tuple[tuple[int, int], ...]) -> None:
    assert m.measure(np.pad(HEAD, padding), TWO, FETA) == COLUMNS


def test_a_mirror_swaps_left_and_right_and_nothing_else() -> None:
    mirrored = m.measure(HEAD[:, :, ::-1], TWO, FETA)
    swapped = COLUMNS | {
        "atrial_width_left_mm": COLUMNS["atrial_width_right_mm"],
        "atrial_width_right_mm": COLUMNS["atrial_width_left_mm"],
    }
    assert swapped["atrial_width_left_mm"] > swapped["atrial_width_right_mm"] + 1
    assert mirrored == pytest.approx(swapped, rel=1e-4)


@settings(max_examples=8, deadline=None)
@given(factor=st.floats(0.5, 3))
def test_volumes_and_lengths_grow_with_the_spacing(factor: float) -> None:
    """Except folding, whose hull is 10 mm wide, and the ventricles, which are separated by mm."""
    label = head(TWO, left_mm=7, right_mm=10)
    small = m.measure(label, TWO, FETA)
    large = m.measure(label, (2 * factor,) * 3, FETA)
    for name in FETA.names[1:]:
        assert large[f"volume_ml_{name}"] == pytest.approx(small[f"volume_ml_{name}"] * factor**3)
        assert large[f"euler_{name}"] == small[f"euler_{name}"]
    for name in LENGTHS:
        assert large[name] == pytest.approx(small[name] * factor, rel=1e-4)
    assert large["ventricle_brain_ratio"] == small["ventricle_brain_ratio"]


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 2, 0), (2, 1, 0)])
def test_the_order_of_the_axes_does_not_matter_where_no_side_is_meant(
    order: tuple[int, int, int],
) -> None:
    spacing = (2.0, 1.5, 2.5)
    label = head(spacing)
    turned = label.transpose(order), tuple(spacing[a] for a in order), FETA
    straight = label, spacing, FETA
    assert m.volumes_ml(*turned) == pytest.approx(m.volumes_ml(*straight))
    assert m.cortical_thickness_mm(*turned) == pytest.approx(
        m.cortical_thickness_mm(*straight), rel=1e-4
    )
    assert m.gyrification(*turned) == pytest.approx(m.gyrification(*straight), rel=1e-4)
    assert m.components(turned[0], FETA) == m.components(label, FETA)
    assert m.euler_number(turned[0], FETA) == m.euler_number(label, FETA)
