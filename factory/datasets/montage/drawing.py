"""How a montage is drawn: a row a sample, a column a panel, and a legend."""

import os
import textwrap
from typing import Any

import numpy as np

from factory.datasets.montage.panels import Panel
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.head_ultrasound import HEAD
from factory.storage.subjects.short_axis import HEART

_INCHES = 1.75  # a panel's width


def draw_sheet(
    samples: list[StoredSample],
    panels: list[list[Panel]],
    colours: tuple[tuple[int, int, int], ...],
    white: float,
) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = list(zip(*panels, strict=True))
    widths = [max(panel.size_mm[1] for panel in column) for column in columns]
    scale = _INCHES / max(widths)
    caption, top, bottom = 1.25, 0.5, 0.4
    row = max(panel.size_mm[0] for column in columns for panel in column) * scale
    total = (caption + sum(widths) * scale, top + row * len(samples) + bottom)
    figure = Figure(figsize=total, facecolor="black")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(samples),
        len(columns),
        width_ratios=widths,
        left=caption / total[0],
        right=1,
        top=1 - top / total[1],
        bottom=bottom / total[1],
        wspace=0.02,
        hspace=0.03,
    )
    for r, (sample, row_panels) in enumerate(zip(samples, panels, strict=True)):
        for c, panel in enumerate(row_panels):
            axes = figure.add_subplot(grid[r, c])
            axes.axis("off")
            axes.imshow(
                panel.image,
                cmap="gray",
                vmin=0,
                vmax=white,
                aspect=panel.pixel[0] / panel.pixel[1],
                interpolation="bilinear",
            )
            if panel.label is not None:
                draw_edges(axes, panel.label, colours)
            if r == 0:
                middle = np.mean(axes.get_position(original=True).intervalx)
                height = 1 - 0.85 * top / total[1]
                figure.text(middle, height, panel.title, color="white", fontsize=8, ha="center")
        place = 1 - (top + row * (r + 0.5)) / total[1]
        figure.text(
            0.1 / total[0], place, _caption_text(sample), color="white", fontsize=7.5, va="center"
        )
    return figure


def draw_edges(
    axes: Any, label: np.ndarray, colours: tuple[tuple[int, int, int], ...], width: float = 0.7
) -> None:
    for value in np.unique(label):
        if value and min(label.shape) > 1:  # about a single row no line can be drawn
            axes.contour(
                label == value, levels=[0.5], colors=[unit_rgb(colours[value])], linewidths=width
            )


def unit_rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


def _caption_text(sample: StoredSample) -> str:
    row = sample.columns
    lines = textwrap.wrap(str(row["subject"]), 17)
    for name, words in (
        ("grade", "grade {}"),
        ("gestational_age_weeks", "{:.1f} weeks"),
        ("atrial_width_mm", "atrium {:.1f} mm"),
        ("volume_ml_ventricles", "ventricles {:.1f} ml"),
        ("scanner", "{}"),
        ("requested_snr", "SNR {:.0f}"),
    ):
        if row.get(name) is not None:
            lines.append(words.format(row[name]))
    return "\n".join(lines)


def draw_legend(
    figure: Any,
    path: str,
    names: tuple[str, ...],
    colours: tuple[tuple[int, int, int], ...],
    single: bool,
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=unit_rgb(colour), label=name.replace("_", " "))
        for name, colour in list(zip(names, colours, strict=True))[1:]
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=7,
        labelcolor="white",
    )
    figure.suptitle(
        f"{os.path.basename(path.rstrip('/'))}   ({orientation_text(names, single)})",
        color="white",
        fontsize=8,
        y=0.995,
        va="top",
    )


def orientation_text(names: tuple[str, ...], single: bool) -> str:
    """Which way the pictures lie. names: of the labels. single: slices, not volumes."""
    if tuple(names) == HEAD.names:
        return "heads upright, MR with the front up; an ultrasound may lie either way"
    if single:
        return "slices, first row at the top"
    if tuple(names) == HEART.names:
        return "axial: planes of the stack, turned by 180° from how the file has them"
    return (
        "axial and coronal: the patient's right is on the picture's left; sagittal: anterior left"
    )
