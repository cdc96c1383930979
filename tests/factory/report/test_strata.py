"""How a dataset is divided, and which samples stand for each part."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from factory.report.strata import ALONE, EACH, MOST, chosen, strata


def cases(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"sample": range(len(next(iter(columns.values())))), **columns})


def test_grades_with_the_same_subjects_in_each():
    table = cases(subject=[f"s{i // 3}" for i in range(15)], grade=[i % 3 for i in range(15)])
    found = strata(table)
    assert (found.by, found.names) == ("grade", ["0", "1", "2"])
    assert chosen(table, found) == {"0": [0, 6, 12], "1": [1, 7, 13], "2": [2, 8, 14]}


def test_many_grades_are_spread_evenly_and_gaps_are_a_stratum():
    found = strata(cases(grade=[float(i) for i in range(11)]))
    assert found.names == ["0", "2", "4", "6", "8", "10"]
    assert found.left_out == 5
    assert strata(cases(grade=[1.0, None, 2.0])).names == ["1", "2", "none"]


def test_the_most_frequent_of_many_words():
    words = [w for i, w in enumerate("abcdefgh") for _ in range(i + 2)]
    assert strata(cases(scanner=words)).names == list("cdefgh")


def test_what_tells_nothing_apart_divides_nothing():
    table = cases(subject=list("abcdefghij"), variant=[f"v{i}" for i in range(10)], grade=[1] * 10)
    found = strata(table)
    assert (found.by, found.names) == ("", ["all"])
    assert len(chosen(table, found)["all"]) == ALONE


def test_accepted_ones_first_and_no_vacant_ones():
    table = cases(
        subject=list("abcdef"),
        group=list("xxxyyy"),
        accepted=[False, True, None, False, False, False],
        failure=[None, None, None, None, None, "no room"],
    )
    assert chosen(table, strata(table)) == {"x": [1, 2], "y": [3, 4]}


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.sampled_from("abc")), min_size=1)
)
def test_any_table(rows):
    table = cases(grade=[g for g, _ in rows], subject=[s for _, s in rows])
    found = strata(table)
    picked = chosen(table, found)
    assert list(picked) == found.names
    assert len(found.names) <= MOST
    for name, samples in picked.items():
        part = [i for i in range(len(rows)) if found.of[i] == name]
        most = EACH if len(found.names) > 1 else ALONE
        assert len(samples) == len(set(samples)) == min(most, len(part))
        assert set(samples) <= set(part)
