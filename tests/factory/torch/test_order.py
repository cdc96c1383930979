"""The samples of an epoch: as often as their weights require, in another order each epoch."""

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
def test_each_row_is_drawn_as_often_as_its_weight_requires(weights, length, seed, epoch):
    weights = np.array(weights)
    rows = epoch_order(epoch, weights, length, seed)
    assert rows.shape == (length,)
    expected = weights / weights.sum() * length
    counts = np.bincount(rows, minlength=len(weights))
    assert (np.abs(counts - expected) < 1 + 1e-6).all()
    assert (counts[weights == 0] == 0).all()


@given(st.integers(1, 50), st.integers(1, 4), st.integers(0, 9))
def test_rows_of_equal_weight_are_drawn_equally_often(rows, times, seed):
    result = epoch_order(0, np.ones(rows), rows * times, seed)
    assert (np.bincount(result, minlength=rows) == times).all()


def test_orders_differ_by_epoch_and_seed_and_are_repeatable():
    orders = {tuple(epoch_order(e, np.ones(20), 20, s)) for e in range(3) for s in range(3)}
    assert len(orders) == 9
    assert tuple(epoch_order(2, np.ones(20), 20, 1)) in orders


def test_a_balanced_column_gives_each_of_its_values_the_same_share():
    result = sampling_weights(TABLE, None, "grade")
    np.testing.assert_allclose(result, [1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2, 1])
    both = sampling_weights(TABLE, "w", "grade")
    np.testing.assert_allclose(both, [1 / 3, 2 / 3, 0, 1 / 2, 1 / 2, 1])


def test_shares_do_not_depend_on_the_sizes_of_the_datasets():
    result = combine_in_shares([np.ones(10), np.array([1.0, 3.0])], (1, 3))
    np.testing.assert_allclose(result[:10].sum() / result.sum(), 0.25)
    np.testing.assert_allclose(result[11] / result[10], 3)
    np.testing.assert_allclose(combine_in_shares([np.ones(2), np.ones(1)], None), 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wieght", "no column 'wieght'; there are grade, w, bad"),
        ("grad", "no column 'grad'; did you mean grade?"),
        ("bad", "weights 'bad': -1 at row 2; allowed: numbers from 0 on"),
        ("gap", "weights 'gap': nan at row 1; allowed: numbers from 0 on"),
        ("name", "weights 'name': a at row 0; allowed: numbers from 0 on"),
    ],
)
def test_wrong_weights_are_refused(name, message):
    with pytest.raises(DatasetError, match=message):
        sampling_weights(TABLE, name, None)


@pytest.mark.parametrize("shares", [(1,), (1, 0), (1, -2), (1, float("nan"))])
def test_wrong_shares_are_refused(shares):
    with pytest.raises(DatasetError, match="allowed: 2 numbers above 0, one a dataset"):
        combine_in_shares([np.ones(2), np.ones(2)], shares)


def test_datasets_without_samples_to_draw_are_refused():
    with pytest.raises(DatasetError, match="no samples to draw"):
        combine_in_shares([np.zeros(3)], None)
    with pytest.raises(DatasetError, match="a dataset has no samples to draw"):
        combine_in_shares([np.zeros(0), np.ones(1)], (1, 1))
