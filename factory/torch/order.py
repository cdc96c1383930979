"""The samples of an epoch and their order, which depend on seed and epoch only."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from factory.datasets.query import require_column
from factory.storage.errors import DatasetError


def sampling_weights(table: pd.DataFrame, weights: str | None, balance: str | None) -> np.ndarray:
    """Return the sampling weight of each row, float64.

    Args:
        table: The table of a dataset.
        weights: The column of weights; None for 1.
        balance: A column of strata: the weights are scaled so that each of its values has the same
            sum. Rows without a value are one stratum. None for no scaling.

    Raises:
        DatasetError: If a column is missing, or a weight is missing, negative or infinite.
    """
    row_weights = np.ones(len(table))
    if weights is not None:
        values = pd.to_numeric(require_column(table, weights), errors="coerce").to_numpy(float)
        bad = ~np.isfinite(values) | (values < 0)
        if bad.any():
            row = int(np.argmax(bad))
            raise DatasetError(
                f"weights {weights!r}: {table[weights].iloc[row]} at row {row}; "
                "allowed: numbers from 0 on"
            )
        row_weights *= values
    if balance is not None:
        strata = table.groupby(require_column(table, balance), dropna=False).ngroup().to_numpy()
        totals = np.bincount(strata, weights=row_weights)
        row_weights /= np.where(totals > 0, totals, 1)[strata]
    return row_weights


def combine_in_shares(weights: Sequence[np.ndarray], shares: Sequence[float] | None) -> np.ndarray:
    """Concatenate the weights of several tables, each scaled to its table's share.

    Args:
        weights: The weights of each table.
        shares: Proportions, e.g. (1, 3); None to leave the weights as they are.

    Raises:
        DatasetError: If a share is not a positive number, or no row has a positive weight.
    """
    if shares is None:
        combined = np.concatenate(weights)
    else:
        if len(shares) != len(weights) or not all(np.isfinite(s) and s > 0 for s in shares):
            raise DatasetError(
                f"shares {list(shares)}; allowed: {len(weights)} numbers above 0, one a dataset"
            )
        if not all(w.sum() > 0 for w in weights):
            raise DatasetError("shares: a dataset has no samples to draw")
        combined = np.concatenate([s * w / w.sum() for w, s in zip(weights, shares, strict=True)])
    if not combined.sum() > 0:
        raise DatasetError("no samples to draw: every row is left out, or every weight is 0")
    return combined


def epoch_order(epoch: int, weights: np.ndarray, length: int, seed: int) -> np.ndarray:
    """Return the rows of an epoch in random order, int64 [length].

    Systematic sampling (Madow 1949): a row of weight w is drawn ⌊w⌋ or ⌈w⌉ times, if the weights
    are scaled so that they sum to the length. So rows of equal weight are drawn almost equally
    often.

    Args:
        epoch: The epoch, from 0.
        weights: The weight of each row.
        length: The number of rows to draw.
        seed: The seed of all epochs.
    """
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    upper = np.cumsum(weights)
    points = (np.arange(length) + rng.random()) / length * upper[-1]
    rows = np.searchsorted(upper, points, side="right")
    rows = np.minimum(
        rows, np.flatnonzero(weights)[-1]
    )  # rounding may move a point past the last row
    return rng.permutation(rows)
