"""Columns in words, and pairs of requested and achieved values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.report.measure_charts import chart_measures
from factory.report.measures import (
    GROUPS,
    column_words,
    edit_names,
    group_columns,
    measure_columns,
    pair_columns,
    value_words,
)
from factory.report.strata import divide_samples


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("volume_ml_grey_matter", "grey matter volume (ml)"),
        ("atrial_width_mm", "atrial width (mm)"),
        ("gestational_age_weeks", "gestational age (weeks)"),
        ("surface_mm_ventricles", "surface mm ventricles"),
        ("widen_before_volume_ml_ventricles", "widen before: ventricles volume (ml)"),
        ("extent_rl_mm_left_kidney", "left kidney extent right-left (mm)"),
        ("largest_width_mm_liver", "liver largest width (mm)"),
        ("mm", "mm"),
    ],
)
def test_columns_in_words(column, expected):
    assert column_words(column) == expected


def test_a_value_in_words():
    assert value_words("atrial_width_mm", "7.5") == "atrial width 7.5 mm"
    assert value_words("gyrification_index", "1.2") == "gyrification index 1.2"


def test_requested_columns_are_paired_with_achieved_ones_by_name():
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
    pairs = {pair.name: pair for pair in pair_columns(table)}
    assert set(pairs) == {"atrial_width_mm", "volume_ml", "twist_2_biparietal_mm", "snr"}
    assert pairs["atrial_width_mm"].error.to_dict() == {1: 0.5}
    assert pairs["volume_ml"].is_exact
    assert pairs["twist_2_biparietal_mm"].error.to_dict() == {0: 1.0}
    assert pairs["snr"].error.to_dict() == {0: -0.5}
    assert not pairs["snr"].is_exact


def test_columns_are_grouped():
    names = ["atrial_width_mm", "requested_snr", "widen_requested_x", "widen_steps", "deform_x",
             "clipped_fraction", "euler_ventricles"]  # fmt: skip
    recipe = {"anatomy": [{"deform": {}, "when": "x"}], "groups": {"g": {"anatomy": None}}}
    assert edit_names(recipe) == {"deform"}
    groups = group_columns(names, edit_names(recipe))
    assert groups == {
        GROUPS[0]: ["atrial_width_mm"],
        GROUPS[1]: ["requested_snr"],
        GROUPS[2]: ["widen_requested_x", "widen_steps", "deform_x", "clipped_fraction"],
        GROUPS[3]: ["euler_ventricles"],
    }


NAMES = st.lists(st.sampled_from(["a", "requested", "achieved", "mm", "volume", "ml", "2"]),
                 min_size=1, max_size=5).map("_".join)  # fmt: skip


@given(st.sets(NAMES, min_size=1, max_size=8), st.integers(0, 3))
def test_any_names_and_gaps_are_grouped_and_paired(names, rows):
    values = np.where(np.arange(rows) % 2, np.nan, 1.0)
    table = pd.DataFrame(dict.fromkeys(names, values), index=range(rows))
    columns = measure_columns(table)
    groups = group_columns(columns, [])
    assert sorted(c for members in groups.values() for c in members) == sorted(columns)
    for pair in pair_columns(table):
        assert pair.is_exact
        assert len(pair.error) > 0


def test_of_many_measures_those_that_say_most_have_charts_and_the_others_are_rows(monkeypatch):
    monkeypatch.setattr("factory.report.measure_charts.MOST_CHARTS", 3)
    values = {f"volume_ml_organ_{i}": [10.0, 10.0 + i / 10] for i in range(1, 6)}
    table = pd.DataFrame({"sample": [0, 1], **values})
    recipe = {"anatomy": [{"dilate": {"structure": "organ_1"}}]}
    charts = chart_measures(table, divide_samples(table), recipe)
    [(_, of_group)] = charts.groups
    assert [title for title, _ in of_group] == [f"organ {i} volume (ml)" for i in (1, 4, 5)]
    assert [row[0] for row in charts.others.rows] == [f"organ {i} volume (ml)" for i in (2, 3)]
    assert charts.others.rows[0][1:] == ["10", "10.1", "10.2", "2"]
