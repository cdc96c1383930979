"""Drawing a montage with matplotlib: one row for each sample, and a legend."""

import math
import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from factory.datasets.montage.panels import Panel
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.head_ultrasound import HEAD
from factory.storage.subjects.short_axis import HEART

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_WIDTH_INCHES = 1.75


def draw_sheet(
    samples: list[StoredSample],
    panels: list[list[Panel]],
    colours: tuple[tuple[int, int, int], ...],
    white: float,
    names: tuple[str, ...],
) -> "Figure":
    """Draw the panels of each sample in a row, with a caption at the left.

    Args:
        samples: The samples.
        panels: The panels of each sample; all samples have the same number.
        colours: The colour of each label, (r, g, b) in 0 to 255.
        white: The intensity that is drawn white.
        names: The name of each label, for the room that the legend needs.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = list(zip(*panels, strict=True))
    widths = [max(panel.size_mm[1] for panel in column) for column in columns]
    scale = _PANEL_WIDTH_INCHES / max(widths)
    caption, top = 1.25, 0.5  # inches
    per_row = legend_columns(names[1:], caption + sum(widths) * scale)
    bottom = 0.4 + 0.15 * max(0, math.ceil(len(names[1:]) / per_row) - 1)
    row = max(panel.size_mm[0] for column in columns for panel in column) * scale
    width, height = caption + sum(widths) * scale, top + row * len(samples) + bottom
    figure = Figure(figsize=(width, height), facecolor="black")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(samples),
        len(columns),
        width_ratios=widths,
        left=caption / width,
        right=1,
        top=1 - top / height,
        bottom=bottom / height,
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
                aspect=panel.pixel_mm[0] / panel.pixel_mm[1],
                interpolation="bilinear",
            )
            if panel.label is not None:
                draw_edges(axes, panel.label, colours)
            if r == 0:
                x = np.mean(axes.get_position(original=True).intervalx)
                y = 1 - 0.85 * top / height
                figure.text(x, y, panel.title, color="white", fontsize=8, ha="center")
        y = 1 - (top + row * (r + 0.5)) / height
        figure.text(0.1 / width, y, _caption_text(sample), color="white", fontsize=7.5, va="center")
    return figure


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many labels a row of the legend has.

    Args:
        names: The name of each label that the legend lists.
        width: The width of the picture in inches.
    """
    longest = max(map(len, names), default=1)
    return max(1, min(len(names), int(width / (0.4 + 0.055 * longest))))


def draw_edges(
    axes: "Axes", label: np.ndarray, colours: tuple[tuple[int, int, int], ...], width: float = 0.7
) -> None:
    """Draw the edges of labels over an image, those of small labels over those of large ones.

    Args:
        axes: The axes with the image.
        label: Labels [row, column] of the image.
        colours: The colour of each label, (r, g, b) in 0 to 255.
        width: The width of the lines in points.
    """
    values, counts = np.unique(label, return_counts=True)
    for value in values[np.argsort(-counts, kind="stable")]:
        if value and min(label.shape) > 1:  # a contour needs two rows and columns
            axes.contour(
                label == value, levels=[0.5], colors=[unit_rgb(colours[value])], linewidths=width
            )


def unit_rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """Convert a colour from 0 to 255 to 0 to 1."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


def _caption_text(sample: StoredSample) -> str:
    row = sample.columns
    lines = textwrap.wrap(str(row["subject"]), 17)
    for name, template in (
        ("grade", "grade {}"),
        ("gestational_age_weeks", "{:.1f} weeks"),
        ("atrial_width_mm", "atrium {:.1f} mm"),
        ("volume_ml_ventricles", "ventricles {:.1f} ml"),
        ("scanner", "{}"),
        ("requested_snr", "SNR {:.0f}"),
    ):
        if row.get(name) is not None:
            lines.append(template.format(row[name]))
    if row.get("grade") is None and row.get("variant"):
        lines += textwrap.wrap(str(row["variant"]).replace(",", ", "), 17)
    return "\n".join(lines)


def draw_legend(figure: "Figure", path: str, layout: Layout) -> None:
    """Draw the names of the labels below the panels, and the orientation above them.

    Args:
        figure: The figure.
        path: The path of the dataset, whose name is drawn.
        layout: The layout of the dataset.
    """
    from matplotlib.lines import Line2D

    names, colours = layout.table.names, layout.table.colours
    handles = [
        Line2D([], [], color=unit_rgb(colour), label=name.replace("_", " "))
        for name, colour in list(zip(names, colours, strict=True))[1:]
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=legend_columns(names[1:], float(figure.get_figwidth())),
        frameon=False,
        fontsize=7,
        labelcolor="white",
    )
    figure.suptitle(
        f"{os.path.basename(path.rstrip('/'))}   ({orientation_text(layout)})",
        color="white",
        fontsize=8,
        y=0.995,
        va="top",
    )


def orientation_text(layout: Layout) -> str:
    """Describe the orientation of the pictures, and name the channel that they show."""
    text = _orientation(layout.table.names, layout.shape[0] == 1)
    return f"{text}; {layout.pictured_channel}" if layout.pictured_channel else text


def _orientation(names: tuple[str, ...], single: bool) -> str:
    """Describe the orientation of the pictures.

    Args:
        names: The name of each label.
        single: Whether the samples are single slices.
    """
    if tuple(names) == HEAD.names:
        return "heads upright, MR with the front up; an ultrasound may lie either way"
    if single:
        return "slices, first row at the top"
    if tuple(names) == HEART.names:
        return "axial: planes of the stack, rotated by 180° relative to the file"
    return (
        "axial and coronal: the patient's right is on the picture's left; sagittal: anterior left"
    )
