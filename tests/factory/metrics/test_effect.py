"""Effects on paired values: their interval, and when there is a p-value at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from factory.metrics.effect import effect

values = st.lists(st.floats(-1, 1), min_size=2, max_size=12)


@settings(max_examples=10, deadline=None)
@given(values, st.randoms())
def test_the_interval_is_student_s_and_p_waits_for_six_pairs(before: list, random) -> None:
    before = np.array(before)
    after = before + np.array([random.uniform(-1, 2) for _ in before])
    found = effect(after, before)
    interval = stats.ttest_1samp(after - before, 0).confidence_interval(0.95)
    assert found.n == len(before)
    assert found.mean == pytest.approx((after - before).mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert np.isnan(found.p) == (len(before) < 6)


def test_six_that_all_agree_are_the_first_to_be_significant() -> None:
    gain = np.arange(1.0, 7.0)
    assert effect(gain, np.zeros(6)).p == pytest.approx(2 / 2**6)
    assert effect(np.zeros(6), np.zeros(6)).p == 1
    assert np.isnan(effect(gain[:5], np.zeros(5)).p)


def test_pairs_without_a_value_do_not_count() -> None:
    found = effect(np.array([1.0, np.nan, 3.0]), np.array([0.0, 1.0, np.nan]))
    assert (found.n, found.mean) == (1, 1.0)
    assert np.isnan(found.low)
    assert effect(np.array([np.nan]), np.array([1.0])).n == 0
