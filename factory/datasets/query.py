"""Selecting samples of a dataset by a query of their columns, and by whether they were accepted."""

import re
from typing import TYPE_CHECKING

import numpy as np

from factory.storage.errors import DatasetError
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED = "accepted"
"""The column that tells whether a sample passed its checks; without it all samples did."""


def match_rows(table: "pd.DataFrame", query: str, asked_by: str = "condition") -> np.ndarray:
    """Return which rows of a table fulfil a query.

    Args:
        table: The cases of a dataset, one row each.
        query: A condition on their columns, as pandas takes it, e.g. "grade >= 2".
        asked_by: The name of the query in messages, e.g. "--where".

    Returns:
        One bool for each row. It is False where a column has no value.

    Raises:
        DatasetError: The query is not valid, or names an unknown column.
    """
    prefix = f"{asked_by} {query!r}"
    try:
        matches = table.eval(query, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas raises exceptions of any type here
        if unknown := re.search(r"name '(\w+)' is not defined", str(error)):
            name = unknown[1]
            raise DatasetError(f"{prefix}: no column {name!r}{_column_hint(table, name)}") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{prefix}: is not a condition on columns: {reason}") from None
    if getattr(matches, "dtype", None) not in (bool, "boolean") or len(matches) != len(table):
        raise DatasetError(f"{prefix}: is not true or false for each sample; e.g. grade >= 2")
    return np.asarray(matches.fillna(False), bool)


def accepted_rows(table: "pd.DataFrame") -> np.ndarray:
    """Return which rows of a table are of accepted samples, one bool for each row."""
    if ACCEPTED not in table:
        return np.ones(len(table), bool)
    is_rejected: np.ndarray = table[ACCEPTED].isin([False]).to_numpy(bool)
    return ~is_rejected


def select_rows(
    table: "pd.DataFrame", where: str | None = None, rejected_too: bool = False
) -> tuple["pd.DataFrame", int]:
    """Select the rows that fulfil a query and whose samples were accepted.

    Args:
        table: The cases of a dataset, one row each.
        where: A query as for `match_rows`; None selects all rows.
        rejected_too: Whether to select rejected samples too.

    Returns:
        The selected rows, and the number of rejected samples that fulfil the query.

    Raises:
        DatasetError: The query is not valid, or no row is selected.
    """
    matching = table if where is None else table[match_rows(table, where, "--where")]
    selected = matching if rejected_too else matching[accepted_rows(matching)]
    if len(selected):
        return selected, len(matching) - len(selected)
    if len(matching):
        raise DatasetError(
            f"all {len(matching)} selected samples were rejected; --all exports them too"
        )
    raise DatasetError(f"--where {where!r}: is true for none of the {len(table)} samples")


def require_column(table: "pd.DataFrame", name: str) -> "pd.Series":
    """Return a column, or raise DatasetError with the nearest name if there is none."""
    if name not in table:
        raise DatasetError(f"no column {name!r}{_column_hint(table, name)}")
    return table[name]


def _column_hint(table: "pd.DataFrame", name: str) -> str:
    return nearest_name_hint(name, map(str, table)) or f"; there are {join_names(table)}"
