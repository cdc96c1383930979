"""Conditions on a table of cases, in pandas' words, refused in one line."""

import re

import numpy as np
import pandas as pd

from factory.storage.errors import DatasetError
from factory.text import listed, nearest


def chosen(table: pd.DataFrame, condition: str) -> np.ndarray:
    """Which rows fulfil a condition, bool.

    Raises DatasetError, one line, naming the nearest column where it names one that is not there.
    """
    try:
        found = table.eval(condition, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas' parser raises of every kind
        raise DatasetError(_line(table, condition, error)) from None
    if not isinstance(found, pd.Series) or found.dtype not in (bool, "boolean"):
        raise DatasetError(f"condition {condition!r}: no condition, it is not true or false")
    return found.fillna(False).to_numpy(bool)


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column. Raises DatasetError, naming the nearest, where there is none."""
    if name not in table:
        raise DatasetError(f"no column {name!r}{_hint(table, name)}")
    return table[name]


def _line(table: pd.DataFrame, condition: str, error: Exception) -> str:
    text = f"condition {condition!r}"
    unknown = re.search(r"name '(\w+)' is not defined", str(error))
    if unknown:
        return f"{text}: no column {unknown[1]!r}{_hint(table, unknown[1])}"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{text}: {reason}"


def _hint(table: pd.DataFrame, name: str) -> str:
    return nearest(name, map(str, table)) or f"; there are {listed(table)}"
