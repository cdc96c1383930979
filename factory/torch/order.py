"""Which samples an epoch takes, in which order: a function of seed and epoch, nothing else."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from factory.datasets.query import require_column
from factory.storage.errors import DatasetError


def sampling_weights(table: pd.DataFrame, weights: str | None, balance: str | None) -> np.ndarray:
    """A weight a row, float64: a column's, times one that gives each value of another column the
    same share (rows without a value are one stratum).

    Raises DatasetError where there is no such column, or a weight is missing, negative, infinite.
    """
    found = np.ones(len(table))
    if weights is not None:
        given = pd.to_numeric(require_column(table, weights), errors="coerce").to_numpy(float)
        bad = ~np.isfinite(given) | (given < 0)
        if bad.any():
            row = int(np.argmax(bad))
            raise DatasetError(
                f"weights {weights!r}: {table[weights].iloc[row]} at row {row}; "
                "allowed: numbers from 0 on"
            )
        found *= given
    if balance is not None:
        strata = table.groupby(require_column(table, balance), dropna=False).ngroup().to_numpy()
        totals = np.bincount(strata, weights=found)
        found /= np.where(totals > 0, totals, 1)[strata]
    return found


def combine_in_shares(weights: Sequence[np.ndarray], shares: Sequence[float] | None) -> np.ndarray:
    """The weights of several tables end to end, each table scaled to its share.

    shares: proportions, e.g. (1, 3); without them a table counts by its weights. Raises
    DatasetError where a share is not a positive number or there is nothing to draw.
    """
    if shares is None:
        found = np.concatenate(weights)
    else:
        if len(shares) != len(weights) or not all(np.isfinite(s) and s > 0 for s in shares):
            raise DatasetError(
                f"shares {list(shares)}; allowed: {len(weights)} numbers above 0, one a dataset"
            )
        if not all(w.sum() > 0 for w in weights):
            raise DatasetError("shares: a dataset has no samples to draw")
        found = np.concatenate([s * w / w.sum() for w, s in zip(weights, shares, strict=True)])
    if not found.sum() > 0:
        raise DatasetError("no samples to draw: every row is left out, or every weight is 0")
    return found


def epoch_order(epoch: int, weights: np.ndarray, length: int, seed: int) -> np.ndarray:
    """Rows that an epoch takes, int64 [length].

    Drawn systematically (Madow 1949): a row of weight w comes ⌊w⌋ or ⌈w⌉ times, if weights are
    scaled to sum to the length; so each equally often where they are equal. Then shuffled.
    """
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    upper = np.cumsum(weights)
    points = (np.arange(length) + rng.random()) / length * upper[-1]
    rows = np.searchsorted(upper, points, side="right")
    rows = np.minimum(rows, np.flatnonzero(weights)[-1])  # a point may be rounded onto the end
    return rng.permutation(rows)
