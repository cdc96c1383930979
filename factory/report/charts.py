"""Charts as SVG that takes the colour of the text about it, so that it suits light and dark."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLOURS = ("#3f86c6", "#d9822b", "#2f9e74", "#c2609c", "#8878cf", "#9b8a3f")
"""Of the strata in order; each of middling lightness, to be told from black and from white."""

MANY = 300
"""Values from which on a distribution is drawn as histograms instead of one dot each."""

_INK = "#123457"  # stands for the colour of the text until the SVG is written
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.parse_math": False,  # names are names
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "axes.edgecolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDTH = 3.3  # inches


def colour_of(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def distribution(
    title: str,
    values: pd.Series,
    of: pd.Series,
    names: Sequence[str],
    limit: float | None = None,
) -> Markup:
    """A measure: a row a stratum, dots or a histogram, its median as a line.

    of: each value's stratum. limit: a value to mark, dashed.
    """
    parts = [values[(of == name).to_numpy()].dropna().to_numpy(float) for name in names]
    shown = [(name, part, i) for i, (name, part) in enumerate(zip(names, parts, strict=True))
             if len(part)]  # fmt: skip
    many = sum(len(part) for _, part, _ in shown) > MANY
    with rc_context(_STYLE):
        alone = len(shown) == 1
        figure = Figure(figsize=(_WIDTH, 0.62 + (0.62 if alone else 0.29 * len(shown))))
        axes = figure.add_subplot()
        edges = _edges([part for _, part, _ in shown]) if many else None
        tallest = max((np.histogram(p, edges)[0].max() / len(p) for _, p, _ in shown), default=1) \
            if edges is not None else 1  # fmt: skip
        for row, (_, part, place) in enumerate(shown):
            at = len(shown) - 1 - row
            if edges is not None:
                heights = np.histogram(part, edges)[0] / len(part) / tallest * 0.85
                axes.stairs(at + heights - 0.4, edges, baseline=at - 0.4, fill=True, alpha=0.75,
                            color=colour_of(place))  # fmt: skip
            else:
                aside = 0.22 * np.sin(2.4 * np.arange(len(part)))
                axes.plot(part, at + aside, "o", ms=3.2, mew=0, alpha=0.8, color=colour_of(place))
            axes.vlines(np.median(part), at - 0.42, at + 0.42, color=_INK, lw=1)
        if limit is not None:
            axes.axvline(limit, color=_INK, ls="--", lw=0.8)
        axes.set_yticks(range(len(shown))[::-1], ["" if alone else n[:16] for n, _, _ in shown])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.locator_params(axis="x", nbins=5)
        return _svg(figure, title)


def against(title: str, asked: pd.Series, got: pd.Series, of: pd.Series,
            names: Sequence[str]) -> Markup:  # fmt: skip
    """What came out over what was asked for, and the line where the two are equal."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 2.6))
        axes = figure.add_subplot()
        for place, name in enumerate(names):
            here = (of == name).to_numpy()
            axes.plot(asked[here], got[here], "o", ms=4, mew=0, alpha=0.75, color=colour_of(place),
                      rasterized=len(got) > MANY)  # fmt: skip
        rest = (~of.isin(names)).to_numpy()
        axes.plot(asked[rest], got[rest], "o", ms=3, mew=0, alpha=0.5, color="grey")
        low, high = (float(f([f(asked), f(got)])) for f in (np.min, np.max))
        margin = 0.05 * (high - low) or 1.0
        ends = (low - margin, high + margin)
        axes.plot(ends, ends, "--", lw=0.8, color=_INK)
        axes.set(xlim=ends, ylim=ends, xlabel="asked for", ylabel="came out")
        axes.locator_params(nbins=5)
        return _svg(figure, title)


def _edges(parts: list[np.ndarray]) -> np.ndarray:
    every = np.concatenate(parts)
    whole = every[np.isfinite(every)]
    low, high = float(whole.min()), float(whole.max())
    if np.all(whole == whole.round()) and high - low <= 24:  # counts: a bar each
        return np.arange(low - 0.5, high + 1)
    return np.linspace(low, high, 25) if high > low else np.array([low - 0.5, low + 0.5])


def _svg(figure: Figure, title: str) -> Markup:
    """A figure as an <svg> element that fills the width it is given."""
    figure.tight_layout(pad=0.3)
    FigureCanvasSVG(figure)
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would be the whole page's
    text = re.sub(r'(<g|<text) id="[^"]*"', r"\1", text)  # the same in every figure
    text = re.sub(r" font-family: [^;\"]*;?", "", text)  # the page's own
    opening, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    assert box is not None
    label = Markup('role="img" aria-label="{}"').format(title)
    return Markup(f"<svg {box[0]} {label}>{rest}")
