"""Tables of the page, their values in words."""

import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """head and rows as text. strong: rows that are set off, such as a floor."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = field(default_factory=frozenset)

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds figures, which are set to the right."""
        return [all(_is_figure(row[i]) for row in self.rows) for i in range(len(self.head))]


def table_of(frame: pd.DataFrame, names: Mapping[str, str], strong: Iterable[int] = ()) -> Table:
    """A frame as it is. names: what columns are called, by what they are."""
    head = [names.get(str(c), str(c).replace("_", " ")) for c in frame.columns]
    rows = [[text(v) for v in row] for row in frame.astype(object).itertuples(index=False)]
    return Table(head, rows, frozenset(strong))


def text(value: Any) -> str:
    """A value to read: four digits that count, "–" where there is none."""
    if value is None or value is pd.NA or value is pd.NaT:
        return NOTHING
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, numbers.Real):
        number = float(value)
        if not math.isfinite(number):
            return NOTHING
        if abs(number) < 1e-12:  # what rounding left of nothing
            return "0"
        if number == round(number) and abs(number) < 1e6:
            return f"{number:.0f}"
        return f"{number:.3g}" if abs(number) < 100 else f"{number:.4g}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value) or NOTHING


def _is_figure(words: str) -> bool:
    first = words.split(" ±")[0].replace(" ", "").rstrip("%")
    try:
        float(first)
    except ValueError:
        return words == NOTHING
    return True
