"""The strata into which a dataset is divided, and the samples that are shown of each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

COLUMNS = ("grade", "pathology", "group", "scanner", "variant")
"""Columns that may divide the samples: the first with several values, but not one per sample."""

MOST_STRATA = 6
SAMPLES_EACH = 3
"""Samples shown of each stratum, if there are several."""

SAMPLES_UNDIVIDED = 6
"""Samples shown if there is only one stratum."""


@dataclass(frozen=True)
class Strata:
    """How the samples are divided.

    Attributes:
        column: The column that divides them; "" if none does.
        by_row: The stratum of each row of the table of cases.
        names: The strata that are shown, in order.
        not_shown: Number of strata that are not shown.
    """

    column: str
    by_row: pd.Series
    names: list[str]
    not_shown: int = 0


def divide_samples(table: pd.DataFrame) -> Strata:
    """Divide the samples of a table of cases into strata."""
    for column in COLUMNS:
        if column not in table:
            continue
        values = table[column].dropna()
        # if nearly every sample has its own value, the column does not divide them
        is_few = values.nunique() <= max(MOST_STRATA, len(values) // 2)
        if values.nunique() > 1 and (is_few or column == "grade"):
            return _divide_by(table[column], column)
    return Strata("", pd.Series("all", index=table.index), ["all"])


def _divide_by(values: pd.Series, column: str) -> Strata:
    ordered = sorted(values.dropna().unique())
    texts = {value: stratum_name(value) for value in ordered}
    by_row = values.map(texts).fillna("none")
    names = list(dict.fromkeys([*texts.values(), *by_row[by_row == "none"].unique()]))
    if len(names) <= MOST_STRATA:
        return Strata(column, by_row, names)
    if pd.api.types.is_numeric_dtype(values):  # evenly over the range
        evenly = np.linspace(0, len(names) - 1, MOST_STRATA).round().astype(int)
        selected = [names[i] for i in evenly]
    else:  # the most frequent
        frequent = set(by_row.value_counts().index[:MOST_STRATA])
        selected = [name for name in names if name in frequent]
    return Strata(column, by_row, selected, len(names) - MOST_STRATA)


def stratum_name(value: object) -> str:
    """Return the name of the stratum of a value; numbers are written without needless decimals."""
    if isinstance(value, float | np.floating):  # pandas makes integers with gaps floats
        return f"{value:g}"
    return str(value) or "as it is"


def select_samples(table: pd.DataFrame, strata: Strata) -> dict[str, list[int]]:
    """Select the samples that are shown of each stratum.

    They come from different subjects, evenly spread over the stratum. Samples that are not accepted
    are shown only if the stratum has no accepted one, and vacant places never.
    """
    rendered = table[table["failure"].isna()] if "failure" in table else table
    count = SAMPLES_EACH if len(strata.names) > 1 else SAMPLES_UNDIVIDED
    selected = {}
    for name in strata.names:
        samples = rendered[strata.by_row[rendered.index] == name]
        if "accepted" in samples and (samples["accepted"] != False).any():  # noqa: E712
            samples = samples[samples["accepted"] != False]  # noqa: E712
        first, others = samples, samples[:0]
        if "subject" in samples:
            first = samples.drop_duplicates("subject")
            others = samples.drop(first.index)
        evenly = np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(int)
        indices = [*first["sample"].iloc[evenly], *others["sample"]][:count]
        selected[name] = [int(index) for index in indices]
    return selected
