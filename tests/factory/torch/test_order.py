"""Which samples an epoch takes: as often as their weights say, each time in another order."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.storage.errors import DatasetError
from factory.torch.order import combine_in_shares, epoch_order, sampling_weights

TABLE = pd.DataFrame(
    {
        "grade": [0, 0, 0, 1, 1, None],
        "w": [1.0, 2, 0, 1, 1, 1],
        "bad": [1, 2, -1, 1, 1, 1],
        "gap": [1, None, 1, 1, 1, 1],
        "name": list("abcdef"),
    }
)
weights = st.lists(st.floats(0, 100).filter(lambda w: w == 0 or w > 1e-3), min_size=1, max_size=30)


@given(weights.filter(any), st.integers(1, 200), st.integers(0, 5), st.integers(0, 5))
def test_each_row_comes_as_often_as_its_weight_says(weights, length, seed, epoch):
    weights = np.array(weights)
    rows = epoch_order(epoch, weights, length, seed)
    assert rows.shape == (length,)
    expected = weights / weights.sum() * length
    counts = np.bincount(rows, minlength=len(weights))
    assert (np.abs(counts - expected) < 1 + 1e-6).all()
    assert (counts[weights == 0] == 0).all()


@given(st.integers(1, 50), st.integers(1, 4), st.integers(0, 9))
def test_with_equal_weights_all_come_equally_often(rows, times, seed):
    found = epoch_order(0, np.ones(rows), rows * times, seed)
    assert (np.bincount(found, minlength=rows) == times).all()


def test_epochs_and_seeds_differ_and_come_again():
    orders = {tuple(epoch_order(e, np.ones(20), 20, s)) for e in range(3) for s in range(3)}
    assert len(orders) == 9
    assert tuple(epoch_order(2, np.ones(20), 20, 1)) in orders


def test_a_balanced_column_gives_each_of_its_values_the_same_share():
    found = sampling_weights(TABLE, None, "grade")
    np.testing.assert_allclose(found, [1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2, 1])
    both = sampling_weights(TABLE, "w", "grade")
    np.testing.assert_allclose(both, [1 / 3, 2 / 3, 0, 1 / 2, 1 / 2, 1])


def test_shares_hold_whatever_the_sizes():
    found = combine_in_shares([np.ones(10), np.array([1.0, 3.0])], (1, 3))
    np.testing.assert_allclose(found[:10].sum() / found.sum(), 0.25)
    np.testing.assert_allclose(found[11] / found[10], 3)
    np.testing.assert_allclose(combine_in_shares([np.ones(2), np.ones(1)], None), 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wieght", "no column 'wieght'; there are grade, w, bad"),
        ("grad", "no column 'grad'; did you mean grade?"),
        ("bad", "weights 'bad': -1 at row 2; allowed: numbers from 0 on"),
        ("gap", "weights 'gap': nan at row 1; allowed: numbers from 0 on"),
        ("name", "weights 'name': a at row 0; allowed: numbers from 0 on"),
    ],
)
def test_wrong_weights_are_refused(name, said):
    with pytest.raises(DatasetError, match=said):
        sampling_weights(TABLE, name, None)


@pytest.mark.parametrize("shares", [(1,), (1, 0), (1, -2), (1, float("nan"))])
def test_wrong_shares_are_refused(shares):
    with pytest.raises(DatasetError, match="allowed: 2 numbers above 0, one a dataset"):
        combine_in_shares([np.ones(2), np.ones(2)], shares)


def test_nothing_to_draw_is_said():
    with pytest.raises(DatasetError, match="no samples to draw"):
        combine_in_shares([np.zeros(3)], None)
    with pytest.raises(DatasetError, match="a dataset has no samples to draw"):
        combine_in_shares([np.zeros(0), np.ones(1)], (1, 1))
