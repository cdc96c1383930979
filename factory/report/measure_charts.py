"""The charts and tables of a dataset's measures."""

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from factory.datasets.structures import select_columns, structure_names
from factory.report.charts import draw_distribution, draw_requested_and_achieved
from factory.report.measures import (
    Pair,
    column_words,
    edit_names,
    group_columns,
    measure_columns,
    pair_columns,
    varying_columns,
)
from factory.report.strata import Strata
from factory.report.tables import NOTHING, Table, value_text
from factory.storage.json_value import JsonObject

MOST_CHARTS = 24
"""Charts of a group of measures; its other measures are rows of a table."""

Chart = tuple[str, Markup]
"""A caption, and the SVG."""


@dataclass(frozen=True)
class MeasureCharts:
    """The distributions of all measures.

    Attributes:
        groups: Charts by group of measures: all, or those that say most where there are many.
        others: The measures without a chart.
        constant: Measures with one value in all samples.
        checks: Checks of the anatomy, and the share of samples that pass.
    """

    groups: list[tuple[str, list[Chart]]]
    others: Table
    constant: Table
    checks: Table


@dataclass(frozen=True)
class PairCharts:
    """Requested parameters and what was achieved.

    Attributes:
        charts: A chart for each parameter that is not exact in all samples.
        errors: A row for each of them.
        exact: The parameters that are exact in all samples.
    """

    charts: list[Chart]
    errors: Table
    exact: list[str]


def chart_measures(table: pd.DataFrame, strata: Strata, recipe: JsonObject) -> MeasureCharts:
    """Draw the distributions of all measures in a table of cases."""
    columns = [c for c in measure_columns(table) if not c.startswith("gate_")]
    varying = varying_columns(table, columns)

    def chart(column: str) -> Chart:
        words = column_words(column)
        svg = draw_distribution(words, table[column], strata.by_row, strata.names)
        return words, svg

    names = structure_names(recipe)
    groups = {
        group: select_columns(table, members, names, MOST_CHARTS)
        for group, members in group_columns(varying, edit_names(recipe)).items()
    }
    charted = {column for members in groups.values() for column in members}
    others = [_spread_row(table[column]) for column in varying if column not in charted]
    constant = [
        [
            column_words(column),
            value_text(table[column].dropna().iloc[0]),
            value_text(table[column].notna().sum()),
        ]
        for column in columns
        if column not in varying
    ]
    checks = [
        [str(column).removeprefix("check: "), f"{100 * table[column].mean():.1f} %"]
        for column in table.select_dtypes("bool")
        if column != "accepted"
    ]
    return MeasureCharts(
        groups=[(group, [chart(c) for c in members]) for group, members in groups.items()],
        others=Table(["measure", "least", "median", "greatest", "samples"], others),
        constant=Table(["measure", "value", "samples"], constant),
        checks=Table(["check", "samples that pass"], checks),
    )


def chart_pairs(table: pd.DataFrame, strata: Strata) -> PairCharts:
    """Draw what was achieved over what was requested, from a table of cases."""
    pairs = pair_columns(table)
    inexact = [pair for pair in pairs if not pair.is_exact]

    def chart(pair: Pair) -> Chart:
        words = column_words(pair.name)
        by_row = strata.by_row[pair.requested.index]
        svg = draw_requested_and_achieved(
            words, pair.requested, pair.achieved, by_row, strata.names
        )
        return words, svg

    return PairCharts(
        charts=[chart(pair) for pair in inexact],
        errors=Table(
            ["measure", "samples", "mean error", "sd", "largest"],
            [_error_row(pair) for pair in inexact],
        ),
        exact=[column_words(pair.name) for pair in pairs if pair.is_exact],
    )


def _spread_row(values: pd.Series) -> list[str]:
    numbers = values.dropna()
    spread = (numbers.min(), numbers.median(), numbers.max(), len(numbers))
    return [column_words(str(values.name)), *(value_text(number) for number in spread)]


def _error_row(pair: Pair) -> list[str]:
    error = pair.error
    return [
        column_words(pair.name),
        value_text(len(error)),
        f"{error.mean():+.3g}",
        f"{error.std():.3g}" if len(error) > 1 else NOTHING,
        f"{error.abs().max():.3g}",
    ]
