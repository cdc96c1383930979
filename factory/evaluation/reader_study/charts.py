"""The charts of a reader study's summary."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from factory.evaluation.reader_study.scales import SCALES

COLOURS = {"real": "#0072B2", "synthetic": "#E69F00"}
COLUMNS = 4


def draw_frequencies(table: pd.DataFrame, path: Path) -> None:
    """Draw how often each score was given to real and to synthetic pictures, as a PNG.

    There is a panel for each group of readers and scale (Ayaz et al., figure 4c).

    Args:
        table: What summary.frequency_table returns.
        path: The file to write.
    """
    panels = list(table.groupby(["who", "scale"], sort=False))
    scales = table["scale"].nunique()
    highest = float((100 * table["answers"] / table["of"]).max())
    figure, axes = _grid(len(panels), 3.1, 2.7)
    for ax, ((who, scale), rows) in zip(axes, panels, strict=False):
        for offset, (source, colour) in zip((-0.2, 0.2), COLOURS.items(), strict=True):
            of_source = rows[rows["source"] == source]
            shares = 100 * of_source["answers"] / of_source["of"]
            bars = ax.bar(of_source["score"] + offset, shares, 0.38, color=colour, label=source)
            ax.bar_label(bars, [str(n) if n else "" for n in of_source["answers"]], fontsize=7)
        words = SCALES[str(scale)].words
        title = f"{who}, {int(rows.drop_duplicates('source')['of'].sum())} answers"
        ax.set_title(title + (f", scale {scale}" if scales > 1 else ""), size=9)
        ax.set_xticks(range(1, 6))
        ax.set_xticklabels([f"{i}\n{word}" for i, word in enumerate(words, start=1)], fontsize=7)
        ax.set_xlim(0.4, 5.6)
        ax.set_ylim(0, 1.12 * highest)
        ax.set_ylabel("% of answers", size=8)
        ax.tick_params(axis="y", labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


def draw_turing_matrices(table: pd.DataFrame, path: Path) -> None:
    """Draw the confusion matrices of the visual Turing test, as a PNG.

    Args:
        table: What summary.turing_table returns.
        path: The file to write.
    """
    panels = list(table.groupby("who", sort=False))
    verdicts = [name for name in table.columns if name not in ("who", "is")]
    figure, axes = _grid(len(panels), 3.1, 2.2)
    for ax, (who, rows) in zip(axes, panels, strict=False):
        counts = rows[verdicts].to_numpy()
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.hlines(0.5, -0.5, len(verdicts) - 0.5, color="white")
        ax.vlines(np.arange(1, len(verdicts)) - 0.5, -0.5, len(rows) - 0.5, color="white")
        for (r, c), count in np.ndenumerate(counts):
            colour = "white" if share[r, c] > 0.55 else "black"
            text = f"{count}\n{100 * share[r, c]:.0f} %"
            ax.text(c, r, text, ha="center", va="center", color=colour, fontsize=8)
        ax.set_title(who, size=9)
        ax.set_xticks(range(len(verdicts)), verdicts, fontsize=7)
        ax.set_yticks(range(len(rows)), rows["is"], fontsize=7)
        ax.set_xlabel("answered", size=8)
        ax.set_ylabel("is", size=8)
        ax.spines[:].set_visible(False)
    figure.savefig(path, dpi=150)


def _grid(panels: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    columns = min(panels, COLUMNS)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.35), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[panels:]:
        ax.set_axis_off()
    return figure, axes
