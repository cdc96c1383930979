"""Sample grids drawn while a network trains."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def picture_rows(path: Path, rows: list[tuple[str, np.ndarray, str, float, float]]) -> None:
    """A PNG of rows of slices: (title, slices (B, H, W), colour map, lowest, highest) each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(rows[0][1])
    figure, axes = plt.subplots(
        len(rows), count, figsize=(1.8 * count, 2.05 * len(rows)), squeeze=False
    )
    for row, (name, images, colours, low, high) in zip(axes, rows, strict=True):
        for column, image in zip(row, images, strict=True):
            column.imshow(image, cmap=colours, vmin=low, vmax=high, origin="lower")
            column.set_axis_off()
        row[0].set_title(name, loc="left", fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def sample_grid(path: Path, label: np.ndarray, real: np.ndarray, drawn: np.ndarray) -> None:
    """A PNG of columns of slices: label, real and drawn (B, H, W), images in [-1, 1]."""
    rows = [("label", label, "nipy_spectral", 0.0, float(label.max()))]
    rows += [("real", real, "gray", -1.0, 1.0), ("drawn", drawn, "gray", -1.0, 1.0)]
    picture_rows(path, rows)


def label_grid(path: Path, rows: dict[str, np.ndarray], labels: int) -> None:
    """A PNG of rows of label maps by name, each (B, H, W) or (B, D, H, W), of which the middle
    slice is shown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = max(len(maps) for maps in rows.values())
    figure, axes = plt.subplots(
        len(rows), count, figsize=(1.5 * count, 1.75 * len(rows)), squeeze=False
    )
    for row, (name, maps) in zip(axes, rows.items(), strict=True):
        for cell in row:
            cell.set_axis_off()
        for cell, label in zip(row, maps, strict=False):
            plane = label[len(label) // 2] if label.ndim == 3 else label
            cell.imshow(plane, "viridis", vmin=0, vmax=labels - 1, interpolation="nearest")
        row[0].set_title(name, loc="left", fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
