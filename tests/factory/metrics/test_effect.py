"""Effects on paired values: their confidence interval, and the number of pairs for a p-value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from factory.metrics.effect import effect

values = st.lists(st.floats(-1, 1), min_size=2, max_size=12)


@settings(max_examples=10, deadline=None)
@given(values, st.randoms())
def test_the_interval_is_student_s_and_p_needs_six_pairs(before: list, random) -> None:
    before = np.array(before)
    after = before + np.array([random.uniform(-1, 2) for _ in before])
    result = effect(after, before)
    interval = stats.ttest_1samp(after - before, 0).confidence_interval(0.95)
    assert result.n == len(before)
    assert result.mean == pytest.approx((after - before).mean())
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert np.isnan(result.p) == (len(before) < 6)


def test_six_differences_of_one_sign_are_significant() -> None:
    gain = np.arange(1.0, 7.0)
    assert effect(gain, np.zeros(6)).p == pytest.approx(2 / 2**6)
    assert effect(np.zeros(6), np.zeros(6)).p == 1
    assert np.isnan(effect(gain[:5], np.zeros(5)).p)


def test_pairs_with_a_missing_value_are_ignored() -> None:
    result = effect(np.array([1.0, np.nan, 3.0]), np.array([0.0, 1.0, np.nan]))
    assert (result.n, result.mean) == (1, 1.0)
    assert np.isnan(result.low)
    assert effect(np.array([np.nan]), np.array([1.0])).n == 0
