"""Charts as SVG in the colour of the surrounding text, so that they suit light and dark pages."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLOURS = ("#3f86c6", "#d9822b", "#2f9e74", "#c2609c", "#8878cf", "#9b8a3f")
"""Colours of the strata in order, of medium lightness, to be visible on black and on white."""

MANY = 300
"""With more values than this, a distribution is drawn as histograms instead of dots."""

_INK = "#123457"  # stands for the colour of the text until the SVG is written
_STYLE: dict[Any, Any] = {  # the type that rc_context takes
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.parse_math": False,  # a "$" in a name is no formula
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "axes.edgecolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDTH = 3.3  # inches


def stratum_colour(number: int) -> str:
    """Return the colour of the stratum with a number."""
    return COLOURS[number % len(COLOURS)]


def draw_distribution(
    title: str,
    values: pd.Series,
    by_row: pd.Series,
    names: Sequence[str],
    limit: float | None = None,
) -> Markup:
    """Draw the distribution of a measure, with a line at the median of each stratum.

    Args:
        title: The title, for screen readers.
        values: The measure.
        by_row: The stratum of each value.
        names: The strata that are drawn, in order; each is a row of dots or a histogram.
        limit: A value that is marked by a dashed line.
    """
    by_name = {n: values[(by_row == n).to_numpy()].dropna().to_numpy(float) for n in names}
    drawn_names = [name for name in names if len(by_name[name])]
    rows = [by_name[name] for name in drawn_names]
    colours = [stratum_colour(i) for i, name in enumerate(names) if len(by_name[name])]
    is_single = len(rows) == 1
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 0.62 + (0.62 if is_single else 0.29 * len(rows))))
        axes = figure.add_subplot()
        if sum(len(row) for row in rows) > MANY:
            _draw_histograms(axes, rows, colours)
        else:
            _draw_dots(axes, rows, colours)
        for height, row in zip(_heights(rows), rows, strict=True):
            axes.vlines(np.median(row), height - 0.42, height + 0.42, color=_INK, lw=1)
        if limit is not None:
            axes.axvline(limit, color=_INK, ls="--", lw=0.8)
        axes.set_yticks(_heights(rows), ["" if is_single else name[:16] for name in drawn_names])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.locator_params(axis="x", nbins=5)
        return _to_svg(figure, title)


def _heights(rows: Sequence[np.ndarray]) -> range:
    """Return the height of each row in the chart; the first is at the top."""
    return range(len(rows))[::-1]


def _draw_histograms(axes: Axes, rows: Sequence[np.ndarray], colours: Sequence[str]) -> None:
    edges = _bin_edges(rows)
    shares = [np.histogram(row, edges)[0] / len(row) for row in rows]
    tallest = max(share.max() for share in shares)
    for height, share, colour in zip(_heights(rows), shares, colours, strict=True):
        tops = height + share / tallest * 0.85 - 0.4
        axes.stairs(tops, edges, baseline=height - 0.4, fill=True, alpha=0.75, color=colour)


def _draw_dots(axes: Axes, rows: Sequence[np.ndarray], colours: Sequence[str]) -> None:
    for height, row, colour in zip(_heights(rows), rows, colours, strict=True):
        offsets = 0.22 * np.sin(2.4 * np.arange(len(row)))  # so that equal values do not overlap
        axes.plot(row, height + offsets, "o", ms=3.2, mew=0, alpha=0.8, color=colour)


def draw_requested_and_achieved(
    title: str,
    requested: pd.Series,
    achieved: pd.Series,
    by_row: pd.Series,
    names: Sequence[str],
) -> Markup:
    """Draw what was achieved over what was requested, and the line where both are equal.

    Args:
        title: The title, for screen readers.
        requested: A value for each sample.
        achieved: A value for each sample.
        by_row: The stratum of each sample.
        names: The strata with a colour of their own; others are grey.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 2.6))
        axes = figure.add_subplot()
        for number, name in enumerate(names):
            mask = (by_row == name).to_numpy()
            axes.plot(requested[mask], achieved[mask], "o", ms=4, mew=0, alpha=0.75,
                      color=stratum_colour(number), rasterized=len(achieved) > MANY)  # fmt: skip
        others = (~by_row.isin(names)).to_numpy()
        axes.plot(requested[others], achieved[others], "o", ms=3, mew=0, alpha=0.5, color="grey")
        low, high = (float(f([f(requested), f(achieved)])) for f in (np.min, np.max))
        margin = 0.05 * (high - low) or 1.0
        ends = (low - margin, high + margin)
        axes.plot(ends, ends, "--", lw=0.8, color=_INK)
        axes.set(xlim=ends, ylim=ends, xlabel="requested", ylabel="achieved")
        axes.locator_params(nbins=5)
        return _to_svg(figure, title)


def _bin_edges(rows: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate(rows)
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    if np.all(finite == finite.round()) and high - low <= 24:  # counts: a bar for each
        return np.arange(low - 0.5, high + 1)
    return np.linspace(low, high, 25) if high > low else np.array([low - 0.5, low + 0.5])


def _to_svg(figure: Figure, title: str) -> Markup:
    """Return a figure as an <svg> element that fills the available width."""
    figure.tight_layout(pad=0.3)
    FigureCanvasSVG(figure)
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(
        r"<style.*?</style>", "", text, flags=re.DOTALL
    )  # it would apply to the whole page
    text = re.sub(r'(<g|<text) id="[^"]*"', r"\1", text)  # ids would repeat in every figure
    text = re.sub(r" font-family: [^;\"]*;?", "", text)  # so that the page's font is used
    opening, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    assert box is not None
    label = Markup('role="img" aria-label="{}"').format(title)
    return Markup(f"<svg {box[0]} {label}>{rest}")
