"""How a dataset is divided into strata, and which samples are shown of each."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from factory.report.strata import (
    MOST_STRATA,
    SAMPLES_EACH,
    SAMPLES_UNDIVIDED,
    divide_samples,
    select_samples,
)


def cases(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"sample": range(len(next(iter(columns.values())))), **columns})


def test_grades_with_the_same_subjects_in_each():
    table = cases(subject=[f"s{i // 3}" for i in range(15)], grade=[i % 3 for i in range(15)])
    strata = divide_samples(table)
    assert (strata.column, strata.names) == ("grade", ["0", "1", "2"])
    assert select_samples(table, strata) == {"0": [0, 6, 12], "1": [1, 7, 13], "2": [2, 8, 14]}


def test_many_grades_are_spread_evenly_and_gaps_are_a_stratum():
    strata = divide_samples(cases(grade=[float(i) for i in range(11)]))
    assert strata.names == ["0", "2", "4", "6", "8", "10"]
    assert strata.not_shown == 5
    assert divide_samples(cases(grade=[1.0, None, 2.0])).names == ["1", "2", "none"]


def test_the_most_frequent_of_many_words():
    words = [w for i, w in enumerate("abcdefgh") for _ in range(i + 2)]
    assert divide_samples(cases(scanner=words)).names == list("cdefgh")


def test_a_column_with_a_value_for_each_sample_does_not_divide():
    table = cases(subject=list("abcdefghij"), variant=[f"v{i}" for i in range(10)], grade=[1] * 10)
    strata = divide_samples(table)
    assert (strata.column, strata.names) == ("", ["all"])
    assert len(select_samples(table, strata)["all"]) == SAMPLES_UNDIVIDED


def test_accepted_samples_are_preferred_and_vacant_ones_never_shown():
    table = cases(
        subject=list("abcdef"),
        group=list("xxxyyy"),
        accepted=[False, True, None, False, False, False],
        failure=[None, None, None, None, None, "no room"],
    )
    assert select_samples(table, divide_samples(table)) == {"x": [1, 2], "y": [3, 4]}


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.sampled_from("abc")), min_size=1)
)
def test_any_table_is_divided(rows):
    table = cases(grade=[g for g, _ in rows], subject=[s for _, s in rows])
    strata = divide_samples(table)
    selected = select_samples(table, strata)
    assert list(selected) == strata.names
    assert len(strata.names) <= MOST_STRATA
    for name, samples in selected.items():
        part = [i for i in range(len(rows)) if strata.by_row[i] == name]
        most = SAMPLES_EACH if len(strata.names) > 1 else SAMPLES_UNDIVIDED
        assert len(samples) == len(set(samples)) == min(most, len(part))
        assert set(samples) <= set(part)
