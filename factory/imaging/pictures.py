"""Grids of sample images, drawn while a network trains."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def draw_image_rows(path: Path, rows: list[tuple[str, np.ndarray, str, float, float]]) -> None:
    """Draw rows of images as a PNG.

    Args:
        path: The file to write.
        rows: For each row its title, images [image, y, x], the name of a colour map, and the
            values of the darkest and the brightest colour. All rows have the same length.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(rows[0][1])
    figure, axes = plt.subplots(
        len(rows), count, figsize=(1.8 * count, 2.05 * len(rows)), squeeze=False
    )
    for row, (name, images, colours, low, high) in zip(axes, rows, strict=True):
        for cell, image in zip(row, images, strict=True):
            cell.imshow(image, cmap=colours, vmin=low, vmax=high, origin="lower")
            cell.set_axis_off()
        row[0].set_title(name, loc="left", fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def draw_sample_grid(
    path: Path, label: np.ndarray, real: np.ndarray, synthetic: np.ndarray
) -> None:
    """Draw label maps, real and synthetic images in columns, as a PNG.

    Args:
        path: The file to write.
        label: Label maps [image, y, x].
        real: The real images of these label maps, [image, y, x] in [-1, 1], or [image, channel, y,
            x].
        synthetic: The synthetic images of these label maps, of the same shape.
    """
    rows = [("label", label, "nipy_spectral", 0.0, float(label.max()))]
    for name, images in (("real", real), ("drawn", synthetic)):
        channels = [images] if images.ndim == 3 else list(np.moveaxis(images, 1, 0))
        rows += [(name, channel, "gray", -1.0, 1.0) for channel in channels]
    draw_image_rows(path, rows)


def draw_label_grid(path: Path, rows: dict[str, np.ndarray], labels: int) -> None:
    """Draw rows of label maps as a PNG.

    Args:
        path: The file to write.
        rows: Label maps by the title of their row, [map, y, x] or [map, z, y, x]; of volumes the
            middle slice is shown.
        labels: Number of labels, with the background.
    """
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
