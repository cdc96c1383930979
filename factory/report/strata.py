"""The strata a dataset is shown by, and the samples that stand for each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

COLUMNS = ("grade", "pathology", "group", "scanner", "variant")
"""What samples are told apart by: the first that takes some values, but not one a sample."""

MOST = 6
EACH = 3
ALONE = 6
"""Strata, samples of each, and samples where there is one stratum alone."""


@dataclass(frozen=True)
class Strata:
    """by: a column, "" where nothing tells samples apart. of: each row's stratum, as text.
    names: those shown, in order. left_out: how many are not."""

    by: str
    of: pd.Series
    names: list[str]
    left_out: int = 0


def strata(table: pd.DataFrame) -> Strata:
    """How a table of cases is divided."""
    for column in COLUMNS:
        if column not in table:
            continue
        known = table[column].dropna()
        # a variant a sample tells nothing apart
        few = known.nunique() <= max(MOST, len(known) // 2)
        if known.nunique() > 1 and (few or column == "grade"):
            return _divided(table[column], column)
    return Strata("", pd.Series("all", index=table.index), ["all"])


def _divided(values: pd.Series, column: str) -> Strata:
    ordered = sorted(values.dropna().unique())
    names = {value: named(value) for value in ordered}
    of = values.map(names).fillna("none")
    every = list(dict.fromkeys([*names.values(), *of[of == "none"].unique()]))
    if len(every) > MOST:
        if pd.api.types.is_numeric_dtype(values):  # the range, evenly
            chosen = [every[i] for i in np.linspace(0, len(every) - 1, MOST).round().astype(int)]
        else:  # the most frequent
            often = of.value_counts().index[:MOST]
            chosen = [name for name in every if name in set(often)]
        return Strata(column, of, chosen, len(every) - MOST)
    return Strata(column, of, every)


def named(value: object) -> str:
    """A value of a stratum in words: a column with gaps holds decimals."""
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    return str(value) or "as it is"


def chosen(table: pd.DataFrame, found: Strata) -> dict[str, list[int]]:
    """Samples that stand for each stratum: of subjects spread evenly over it, the accepted ones
    before others; vacant places not at all."""
    there = table[table["failure"].isna()] if "failure" in table else table
    picked = {}
    for name in found.names:
        part = there[found.of[there.index] == name]
        if "accepted" in part and (part["accepted"] != False).any():  # noqa: E712
            part = part[part["accepted"] != False]  # noqa: E712
        if "subject" in part:
            first = part.drop_duplicates("subject")
            rest = part.drop(first.index)
        else:
            first, rest = part, part[:0]
        count = EACH if len(found.names) > 1 else ALONE
        places = np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(int)
        rows = [*first["sample"].iloc[places], *rest["sample"]][:count]
        picked[name] = [int(i) for i in rows]
    return picked
