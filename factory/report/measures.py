"""The columns of a table of cases: what they are called in words, and which belong together."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

IDENTITY = ("sample", "replicate", "grade")
"""Numbers that are no measures; the grade is what samples are shown by."""

UNITS = {"mm": "mm", "ml": "ml", "weeks": "weeks", "degrees": "degrees", "ms": "ms"}

GROUPS = ("measured", "asked for", "noted by the edits and the scanner", "pieces and holes")

_OF_AN_EDIT = re.compile(r"(.+?)_(?:requested|achieved|before)_")
_OF_A_SCAN = ("acquisition_", "clipped_", "stack_")
_REQUESTED = re.compile(r"(?:(.+)_)?requested_(.+)")


@dataclass(frozen=True)
class Pair:
    """What was asked for and what came out, a value a sample, in one unit."""

    name: str
    asked: pd.Series
    got: pd.Series

    @property
    def error(self) -> pd.Series:
        return self.got - self.asked

    @property
    def exact(self) -> bool:
        return bool(self.error.abs().max() <= 1e-6 * max(1.0, self.asked.abs().max()))


def words(column: str) -> str:
    """ "volume_ml_grey_matter" -> "grey matter volume (ml)"."""
    if match := re.fullmatch(r"(?:(.+)_)?volume_ml_(.+)", column):
        before = f"{match[1]}: " if match[1] else ""
        return f"{before}{match[2]} volume (ml)".replace("_", " ")
    stem, _, unit = column.rpartition("_")
    if stem and unit in UNITS:
        return f"{stem} ({UNITS[unit]})".replace("_", " ")
    return column.replace("_", " ")


def fact(column: str, value: str) -> str:
    """ "atrial_width_mm", "7.5" -> "atrial width 7.5 mm"."""
    name, _, unit = words(column).partition(" (")
    return f"{name} {value} {unit.rstrip(')')}".strip()


def numeric(table: pd.DataFrame) -> list[str]:
    """Columns of numbers that are measures and have some value."""
    found = table.select_dtypes("number").columns
    return [str(c) for c in found if c not in IDENTITY and table[c].notna().any()]


def varying(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    return [c for c in columns if table[c].nunique() > 1]


def grouped(columns: Iterable[str], edits: Iterable[str]) -> dict[str, list[str]]:
    """Columns by GROUPS. edits: their names in the recipe."""
    columns = list(columns)
    owners = {m[1] for c in columns if (m := _OF_AN_EDIT.match(c))} | set(edits)
    groups: dict[str, list[str]] = {name: [] for name in GROUPS}
    for column in columns:
        if column.startswith("requested_"):
            place = GROUPS[1]
        elif column.startswith(_OF_A_SCAN) or any(column.startswith(f"{o}_") for o in owners):
            place = GROUPS[2]
        else:
            place = GROUPS[3] if column.startswith(("components_", "euler_")) else GROUPS[0]
        groups[place].append(column)
    return {name: found for name, found in groups.items() if found}


def edits_of(recipe: Mapping[str, Any]) -> set[str]:
    """Names of the edits in a resolved recipe."""
    groups = (recipe.get("groups") or {}).values()
    steps = [recipe.get("anatomy"), *(group.get("anatomy") for group in groups)]
    return {str(key) for part in steps for step in part or () for key in step if key != "when"}


def pairs(table: pd.DataFrame) -> list[Pair]:
    """Each parameter that was asked for, with the column that says what came of it.

    An edit's own record of what it was asked goes before the recipe's, where "as it is" may be
    written as 0; what is measured of the stored labels goes before the edit's own measure.
    """
    asked = {c: m for c in numeric(table) if (m := _REQUESTED.fullmatch(c))}
    of_edits = {m[2] for m in asked.values() if m[1]}
    found = []
    for column, match in asked.items():
        if match[2] == "grade" or (not match[1] and match[2] in of_edits):
            continue
        got = _achieved(table, match[1], match[2])
        if got is None:
            continue
        both = table[column].notna() & got.notna()
        if both.any():
            asked_for = table.loc[both, column].astype(float)
            found.append(Pair(match[2], asked_for, got[both].astype(float)))
    return found


def _achieved(table: pd.DataFrame, edit: str | None, name: str) -> pd.Series | None:
    """The column that holds what came of a parameter, if one does."""
    ends = [name, *(name[m.end() :] for m in re.finditer("_", name))]  # without an edit's name
    for end in ends:
        before = edit or name[: len(name) - len(end)].rstrip("_")
        for column in (end, f"{before}_achieved_{end}", f"acquisition_{end}"):
            if column in table and (values := _numbers(table[column])) is not None:
                return values
    return None


def _numbers(column: pd.Series) -> pd.Series | None:
    """A column of numbers, or of JSON lists with one a stack, as their mean; None where it is
    neither."""
    if pd.api.types.is_bool_dtype(column) or not column.notna().any():
        return None
    if pd.api.types.is_numeric_dtype(column):
        return column
    try:
        lists = column.map(lambda text: json.loads(text), na_action="ignore")
        return lists.map(lambda v: sum(v) / len(v), na_action="ignore").astype(float)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
