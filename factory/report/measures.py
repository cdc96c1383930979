"""The columns of a table of cases: their names in words, and which belong together."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from factory.storage.json_value import JsonObject

IDENTITY = ("sample", "replicate", "grade")
"""Columns of numbers that are no measures."""

UNITS = ("mm", "ml", "weeks", "degrees", "ms")

GROUPS = ("measured", "requested", "recorded by the edits and the scanner", "pieces and holes")
"""The groups of measures, in the order of the page."""

_OF_A_STRUCTURE = {
    "volume_ml": "volume (ml)",
    "extent_rl_mm": "extent right-left (mm)",
    "extent_ap_mm": "extent front-back (mm)",
    "extent_si_mm": "extent up-down (mm)",
    "largest_width_mm": "largest width (mm)",
}
"""Measures of a label or region, whose name ends the column, in words."""

_OF_AN_EDIT = re.compile(r"(.+?)_(?:requested|achieved|before)_")
_OF_A_SCAN = ("acquisition_", "clipped_", "stack_")
_REQUESTED = re.compile(r"(?:(.+)_)?requested_(.+)")


@dataclass(frozen=True)
class Pair:
    """A parameter as it was requested and as it was achieved.

    Attributes:
        name: The parameter, as a column is named.
        requested: A value for each sample that requests it.
        achieved: What was measured, in the same unit.
    """

    name: str
    requested: pd.Series
    achieved: pd.Series

    @property
    def error(self) -> pd.Series:
        """Achieved minus requested."""
        return self.achieved - self.requested

    @property
    def is_exact(self) -> bool:
        """Whether every sample has exactly what was requested, but for rounding."""
        return bool(self.error.abs().max() <= 1e-6 * max(1.0, self.requested.abs().max()))


def column_words(column: str) -> str:
    """Return a column's name in words, e.g. "grey matter volume (ml)".

    That is the name of the column "volume_ml_grey_matter".
    """
    for pattern, words in _OF_A_STRUCTURE.items():
        if match := re.fullmatch(rf"(?:(.+)_)?{pattern}_(.+)", column):
            prefix = f"{match[1]}: " if match[1] else ""
            return f"{prefix}{match[2]} {words}".replace("_", " ")
    stem, _, unit = column.rpartition("_")
    if stem and unit in UNITS:
        return f"{stem} ({unit})".replace("_", " ")
    return column.replace("_", " ")


def value_words(column: str, value: str) -> str:
    """Return a value with its column's name, e.g. "atrial width 7.5 mm"."""
    name, _, unit = column_words(column).partition(" (")
    return f"{name} {value} {unit.rstrip(')')}".strip()


def measure_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns of numbers that are measures and have a value in some row."""
    columns = table.select_dtypes("number").columns
    return [str(c) for c in columns if c not in IDENTITY and table[c].notna().any()]


def varying_columns(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Return the columns with more than one value."""
    return [column for column in columns if table[column].nunique() > 1]


def group_columns(columns: Iterable[str], edits: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns by their group in GROUPS, without empty groups.

    Args:
        columns: Names of columns.
        edits: Names of the recipe's edits, whose columns begin with them.
    """
    measured, requested, recorded, topology = GROUPS
    columns = list(columns)
    prefixes = {match[1] for c in columns if (match := _OF_AN_EDIT.match(c))} | set(edits)
    groups: dict[str, list[str]] = {name: [] for name in GROUPS}
    for column in columns:
        if column.startswith("requested_"):
            group = requested
        elif column.startswith((*_OF_A_SCAN, *(f"{prefix}_" for prefix in prefixes))):
            group = recorded
        elif column.startswith(("components_", "euler_")):
            group = topology
        else:
            group = measured
        groups[group].append(column)
    return {name: members for name, members in groups.items() if members}


def edit_names(recipe: JsonObject) -> set[str]:
    """Return the names of the edits in a resolved recipe."""
    groups = (recipe.get("groups") or {}).values()
    lists = [recipe.get("anatomy"), *(group.get("anatomy") for group in groups)]
    return {str(key) for steps in lists for step in steps or () for key in step if key != "when"}


def pair_columns(table: pd.DataFrame) -> list[Pair]:
    """Pair each requested parameter with the column that says what was achieved.

    An edit's record of its own parameter is preferred to the recipe's, in which "as it is" may be
    written as 0. A measure of the stored labels is preferred to the edit's own measure.
    """
    requested = {c: m for c in measure_columns(table) if (m := _REQUESTED.fullmatch(c))}
    of_edits = {match[2] for match in requested.values() if match[1]}
    pairs = []
    for column, match in requested.items():
        edit, name = match[1], match[2]
        if name == "grade" or (not edit and name in of_edits):
            continue
        achieved = _achieved_values(table, edit, name)
        if achieved is None:
            continue
        has_both = table[column].notna() & achieved.notna()
        if has_both.any():
            values = table.loc[has_both, column].astype(float)
            pairs.append(Pair(name, values, achieved[has_both].astype(float)))
    return pairs


def _achieved_values(table: pd.DataFrame, edit: str | None, name: str) -> pd.Series | None:
    """Return the values of the column that says what was achieved of a parameter, if any does."""
    # the parameter's name, and what is left of it without the name of an edit
    ends = [name, *(name[match.end() :] for match in re.finditer("_", name))]
    for end in ends:
        prefix = edit or name[: len(name) - len(end)].rstrip("_")
        for column in (end, f"{prefix}_achieved_{end}", f"acquisition_{end}"):
            if column in table and (values := _numbers(table[column])) is not None:
                return values
    return None


def _numbers(column: pd.Series) -> pd.Series | None:
    """Return a column's numbers, or the means of its JSON lists; None if it holds neither."""
    if pd.api.types.is_bool_dtype(column) or not column.notna().any():
        return None
    if pd.api.types.is_numeric_dtype(column):
        return column
    try:
        lists = column.map(lambda text: json.loads(text), na_action="ignore")
        return lists.map(lambda v: sum(v) / len(v), na_action="ignore").astype(float)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
