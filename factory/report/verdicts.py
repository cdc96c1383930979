"""What a dataset's gate made of its samples, and which could not be rendered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from factory.report.tables import NOTHING, Table, text

WORST = 3
"""Samples below the gate that are shown."""

LISTED = 20
"""Samples that are named, of each kind."""

_LIMITS = {
    "dice": "Dice at least",
    "volume_error": "volume error at most",
    "surface_mm": "surfaces apart at most (mm)",
}


@dataclass(frozen=True)
class Verdicts:
    """gate: what the recipe asks for, {} where there is none. judged, first_try, rejected, vacant:
    numbers of samples; first_try None where no record says. limits: a row a limit. missed, failed:
    samples and why, LISTED at most. worst: samples to show, the worst first.
    columns: those with a limit, what they are called, and the limit."""

    gate: Mapping[str, Any]
    judged: int
    first_try: int | None
    rejected: int
    vacant: int
    limits: Table
    missed: list[tuple[int, str]]
    failed: list[tuple[int, str]]
    worst: list[int]
    columns: dict[str, tuple[str, float]]


def verdicts(table: pd.DataFrame, recipe: Mapping[str, Any]) -> Verdicts:
    """table: of cases. recipe: as resolved."""
    gate = recipe.get("gate") or {}
    vacant = table["failure"].notna() if "failure" in table else pd.Series(False, table.index)
    refused = table["accepted"].eq(False) if "accepted" in table else pd.Series(False, table.index)
    rejected, failed = table[refused & ~vacant], table[vacant]
    figures = {
        f"gate_{key}_{name}": float(limit)
        for name, limits in gate.items()
        if isinstance(limits, dict)
        for key, limit in limits.items()
        if limit is not None
    }
    measured = [name for name in figures if name in table and table[name].notna().any()]
    tries = table["gate_tries"].dropna() if "gate_tries" in table else None
    passed = ~refused & ~vacant
    return Verdicts(
        gate=gate,
        judged=0 if tries is None else len(tries),
        first_try=None if tries is None else int((passed & table["gate_tries"].eq(1)).sum()),
        rejected=len(rejected),
        vacant=len(failed),
        limits=_limits(table, figures),
        missed=_listed(rejected, "why"),
        failed=_listed(failed, "failure"),
        worst=_worst(rejected),
        columns={
            name: (", ".join(_named(name, figures[name])), figures[name]) for name in measured
        },
    )


def _limits(table: pd.DataFrame, figures: Mapping[str, float]) -> Table:
    """A row a limit: what was asked, what the samples reached, and how many missed it."""
    rows = []
    for column, limit in figures.items():
        least = column.startswith("gate_dice_")
        values = table[column].dropna() if column in table else pd.Series(dtype=float)
        worst = values.min() if least else values.max()
        missed = (values < limit if least else values > limit).sum()
        rows.append([
            *_named(column, limit),
            *([text(values.median()), text(worst)] if len(values) else [NOTHING, NOTHING]),
            text(int(missed)),
        ])  # fmt: skip
    return Table(["structure", "asked for", "median", "worst", "samples that miss it"], rows)


def _named(column: str, limit: float) -> tuple[str, str]:
    """ "gate_dice_grey_matter", 0.8 -> "grey matter", "Dice at least 0.8"."""
    key = next(k for k in _LIMITS if column.startswith(f"gate_{k}_"))
    return column.removeprefix(f"gate_{key}_").replace("_", " "), f"{_LIMITS[key]} {limit:g}"


def _listed(rows: pd.DataFrame, column: str) -> list[tuple[int, str]]:
    why = rows[column] if column in rows else pd.Series(None, rows.index, dtype=object)
    pairs = zip(rows["sample"], why, strict=True)
    return [(int(i), str(w) if pd.notna(w) and w else "no reason kept") for i, w in pairs][:LISTED]


def _worst(rejected: pd.DataFrame) -> list[int]:
    """The rejected samples of the lowest mean Dice, or the first where none was measured."""
    overlaps = rejected.filter(regex="^gate_dice_")
    if overlaps.shape[1]:
        rejected = rejected.loc[overlaps.mean(axis=1).sort_values().index]
    return [int(i) for i in rejected["sample"][:WORST]]
