"""Columns in words, and what was asked for beside what came out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.report.measures import GROUPS, edits_of, fact, grouped, numeric, pairs, words


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("volume_ml_grey_matter", "grey matter volume (ml)"),
        ("atrial_width_mm", "atrial width (mm)"),
        ("gestational_age_weeks", "gestational age (weeks)"),
        ("surface_mm_ventricles", "surface mm ventricles"),
        ("widen_before_volume_ml_ventricles", "widen before: ventricles volume (ml)"),
        ("mm", "mm"),
    ],
)
def test_columns_in_words(column, said):
    assert words(column) == said


def test_a_fact():
    assert fact("atrial_width_mm", "7.5") == "atrial width 7.5 mm"
    assert fact("gyrification_index", "1.2") == "gyrification index 1.2"


def test_pairs_by_name():
    table = pd.DataFrame(
        {
            "requested_atrial_width_mm": [0.0, 11.0],  # 0: as it is
            "widen_requested_atrial_width_mm": [np.nan, 11.0],
            "atrial_width_mm": [7.0, 11.5],
            "clot_requested_volume_ml": [1.0, 2.0],
            "clot_achieved_volume_ml": [1.0, 2.0],
            "requested_twist_2_biparietal_mm": [50.0, np.nan],
            "biparietal_mm": [51.0, 60.0],
            "requested_snr": [20.0, 10.0],
            "acquisition_snr": ["[19.0, 20.0]", None],
            "requested_grade": [0, 1],
            "grade": [0, 1],
            "requested_share": [0.5, 0.5],
        }
    )
    found = {pair.name: pair for pair in pairs(table)}
    assert set(found) == {"atrial_width_mm", "volume_ml", "twist_2_biparietal_mm", "snr"}
    assert found["atrial_width_mm"].error.to_dict() == {1: 0.5}
    assert found["volume_ml"].exact
    assert found["twist_2_biparietal_mm"].error.to_dict() == {0: 1.0}
    assert found["snr"].error.to_dict() == {0: -0.5}
    assert not found["snr"].exact


def test_groups():
    names = ["atrial_width_mm", "requested_snr", "widen_requested_x", "widen_steps", "deform_x",
             "clipped_fraction", "euler_ventricles"]  # fmt: skip
    recipe = {"anatomy": [{"deform": {}, "when": "x"}], "groups": {"g": {"anatomy": None}}}
    assert edits_of(recipe) == {"deform"}
    found = grouped(names, edits_of(recipe))
    assert found == {
        GROUPS[0]: ["atrial_width_mm"],
        GROUPS[1]: ["requested_snr"],
        GROUPS[2]: ["widen_requested_x", "widen_steps", "deform_x", "clipped_fraction"],
        GROUPS[3]: ["euler_ventricles"],
    }


NAMES = st.lists(st.sampled_from(["a", "requested", "achieved", "mm", "volume", "ml", "2"]),
                 min_size=1, max_size=5).map("_".join)  # fmt: skip


@given(st.sets(NAMES, min_size=1, max_size=8), st.integers(0, 3))
def test_any_names_and_gaps(names, rows):
    values = np.where(np.arange(rows) % 2, np.nan, 1.0)
    table = pd.DataFrame(dict.fromkeys(names, values), index=range(rows))
    shown = numeric(table)
    assert sorted(c for part in grouped(shown, []).values() for c in part) == sorted(shown)
    for pair in pairs(table):
        assert pair.exact
        assert len(pair.error) > 0
