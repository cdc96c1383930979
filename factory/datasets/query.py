"""Which samples of a dataset are meant: a query of their columns, and those that were accepted."""

import re
from typing import TYPE_CHECKING

import numpy as np

from factory.storage.errors import DatasetError
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED = "accepted"
"""The column that says whether a sample passed its checks; all did where there is none."""


def match_rows(table: "pd.DataFrame", query: str, asked_by: str = "condition") -> np.ndarray:
    """Which rows of a table fulfil a query.

    Arguments:
        table: The cases of a dataset, a row each.
        query: A condition on their columns, as pandas takes it, e.g. "grade >= 2".
        asked_by: What messages call the query, e.g. "--where".

    Returns:
        One bool a row; a row where a column has no value is not among them.

    Raises:
        DatasetError: In one line, with the nearest column where it names one that is not there.
    """
    said = f"{asked_by} {query!r}"
    try:
        found = table.eval(query, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas' parser raises of every kind
        if unknown := re.search(r"name '(\w+)' is not defined", str(error)):
            name = unknown[1]
            raise DatasetError(f"{said}: no column {name!r}{_column_hint(table, name)}") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{said}: not a query of columns: {reason}") from None
    if getattr(found, "dtype", None) not in (bool, "boolean") or len(found) != len(table):
        raise DatasetError(f"{said}: is not true or false of a sample; e.g. grade >= 2")
    return np.asarray(found.fillna(False), bool)


def select_samples(
    table: "pd.DataFrame", where: str | None = None, rejected_too: bool = False
) -> tuple["pd.DataFrame", int]:
    """The rows that a query chooses and that were accepted; and how many it chose that were not.

    Raises DatasetError for a query that is none, or that chooses nothing.
    """
    chosen = table if where is None else table[match_rows(table, where, "--where")]
    count = len(chosen)
    if ACCEPTED in chosen and not rejected_too:
        chosen = chosen[~chosen[ACCEPTED].isin([False])]
    if not len(chosen):
        if count:
            raise DatasetError(f"all of the {count} samples chosen were rejected; --all takes them")
        raise DatasetError(f"--where {where!r}: true of none of the {len(table)} samples")
    return chosen, count - len(chosen)


def require_column(table: "pd.DataFrame", name: str) -> "pd.Series":
    """A column. Raises DatasetError, naming the nearest, where there is none."""
    if name not in table:
        raise DatasetError(f"no column {name!r}{_column_hint(table, name)}")
    return table[name]


def _column_hint(table: "pd.DataFrame", name: str) -> str:
    return nearest_name_hint(name, map(str, table)) or f"; there are {join_names(table)}"
