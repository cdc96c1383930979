"""Tables of the page, with their values as text."""

import json
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

NOTHING = "–"
"""The text of a missing value."""


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        head: The names of the columns.
        rows: The cells of each row.
        highlighted: Numbers of the rows that are highlighted, such as a floor.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    highlighted: frozenset[int] = field(default_factory=frozenset)

    @property
    def numeric(self) -> list[bool]:
        """For each column whether it holds figures, which are aligned to the right."""
        return [all(_is_figure(row[i]) for row in self.rows) for i in range(len(self.head))]


def table_of_frame(
    frame: pd.DataFrame, names: Mapping[str, str], highlighted: Iterable[int] = ()
) -> Table:
    """Return a frame as a table.

    Args:
        frame: The frame.
        names: Headings of columns by their names; other names are written with spaces.
        highlighted: Numbers of the rows that are highlighted.
    """
    head = [names.get(str(c), str(c).replace("_", " ")) for c in frame.columns]
    rows = [[value_text(v) for v in row] for row in frame.astype(object).itertuples(index=False)]
    return Table(head, rows, frozenset(highlighted))


def value_text(value: object) -> str:
    """Return a value as text: numbers with three or four significant digits, "–" if missing."""
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
        if abs(number) < 1e-12:  # a rounding error of zero
            return "0"
        if number == round(number) and abs(number) < 1e6:
            return f"{number:.0f}"
        return f"{number:.3g}" if abs(number) < 100 else f"{number:.4g}"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value) or NOTHING


def _is_figure(cell: str) -> bool:
    first = cell.split(" ±")[0].replace(" ", "").rstrip("%")
    try:
        float(first)
    except ValueError:
        return cell == NOTHING
    return True
