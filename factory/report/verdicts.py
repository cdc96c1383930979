"""What a dataset's gate decided about its samples, and which could not be rendered."""

from dataclasses import dataclass

import pandas as pd

from factory.report.tables import NOTHING, Table, value_text
from factory.storage.json_value import JsonObject

MOST_SHOWN = 3
"""Most rejected samples that are shown with a picture."""

MOST_LISTED = 20
"""Most rejected, and most vacant, samples that are listed."""

_LIMITS = {
    "dice": "Dice at least",
    "volume_error": "volume error at most",
    "surface_mm": "distance of the surfaces at most (mm)",
}


@dataclass(frozen=True)
class LimitedColumn:
    """A column with a limit of the gate: its title, and the limit."""

    title: str
    limit: float


@dataclass(frozen=True)
class Verdicts:
    """What the gate decided.

    Attributes:
        gate: The recipe's section; {} if there is none.
        judged: Number of samples with a record of the gate.
        first_try: Number of samples that passed at the first attempt; None without a record.
        rejected: Number of samples that did not pass.
        vacant: Number of samples that could not be rendered.
        limits: A row for each limit.
        rejected_list: Rejected samples and the reasons, MOST_LISTED at most.
        vacant_list: Vacant samples and the reasons, MOST_LISTED at most.
        worst: The rejected samples that are shown, the worst first.
        columns: The columns that have a limit and values.
    """

    gate: JsonObject
    judged: int
    first_try: int | None
    rejected: int
    vacant: int
    limits: Table
    rejected_list: list[tuple[int, str]]
    vacant_list: list[tuple[int, str]]
    worst: list[int]
    columns: dict[str, LimitedColumn]


def summarise_verdicts(table: pd.DataFrame, recipe: JsonObject) -> Verdicts:
    """Summarise what the gate of a resolved recipe decided, from the table of cases."""
    gate = recipe.get("gate") or {}
    no = pd.Series(False, table.index)
    is_vacant = table["failure"].notna() if "failure" in table else no
    is_refused = table["accepted"].eq(False) if "accepted" in table else no
    rejected, vacant = table[is_refused & ~is_vacant], table[is_vacant]
    limits = {
        f"gate_{key}_{name}": float(limit)
        for name, of_structure in gate.items()
        if isinstance(of_structure, dict)
        for key, limit in of_structure.items()
        if limit is not None
    }
    judged, first_try = 0, None
    if "gate_tries" in table:
        judged = int(table["gate_tries"].notna().sum())
        passed = ~is_refused & ~is_vacant
        first_try = int((passed & table["gate_tries"].eq(1)).sum())
    return Verdicts(
        gate=gate,
        judged=judged,
        first_try=first_try,
        rejected=len(rejected),
        vacant=len(vacant),
        limits=_limits_table(table, limits),
        rejected_list=_list_reasons(rejected, "why"),
        vacant_list=_list_reasons(vacant, "failure"),
        worst=_worst_samples(rejected),
        columns={
            column: LimitedColumn(", ".join(_limit_words(column, limit)), limit)
            for column, limit in limits.items()
            if column in table and table[column].notna().any()
        },
    )


def _limits_table(table: pd.DataFrame, limits: dict[str, float]) -> Table:
    """Return a row for each limit: what the samples reach, and how many miss it."""
    rows = []
    for column, limit in limits.items():
        is_lower_limit = column.startswith("gate_dice_")
        values = table[column].dropna() if column in table else pd.Series(dtype=float)
        worst = values.min() if is_lower_limit else values.max()
        missed = (values < limit if is_lower_limit else values > limit).sum()
        reached = [NOTHING, NOTHING]
        if len(values):
            reached = [value_text(values.median()), value_text(worst)]
        rows.append([*_limit_words(column, limit), *reached, value_text(int(missed))])
    return Table(["structure", "required", "median", "worst", "samples that miss it"], rows)


def _limit_words(column: str, limit: float) -> tuple[str, str]:
    """Return the structure and the limit of a column, e.g. "grey matter" and "Dice at least 0.8".

    Those are the words for the column "gate_dice_grey_matter" with the limit 0.8.
    """
    key = next(k for k in _LIMITS if column.startswith(f"gate_{k}_"))
    return column.removeprefix(f"gate_{key}_").replace("_", " "), f"{_LIMITS[key]} {limit:g}"


def _list_reasons(rows: pd.DataFrame, column: str) -> list[tuple[int, str]]:
    """Return samples and the reasons in a column."""
    reasons = rows[column] if column in rows else pd.Series(None, rows.index, dtype=object)
    return [
        (int(index), str(reason) if pd.notna(reason) and reason else "no reason was recorded")
        for index, reason in zip(rows["sample"], reasons, strict=True)
    ][:MOST_LISTED]


def _worst_samples(rejected: pd.DataFrame) -> list[int]:
    """Return the rejected samples with the lowest mean Dice, or the first if none was measured."""
    overlaps = rejected.filter(regex="^gate_dice_")
    if overlaps.shape[1]:
        rejected = rejected.loc[overlaps.mean(axis=1).sort_values().index]
    return [int(index) for index in rejected["sample"][:MOST_SHOWN]]
