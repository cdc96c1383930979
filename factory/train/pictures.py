"""Sample grids drawn while a generator trains."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def sample_grid(path: Path, label: np.ndarray, real: np.ndarray, drawn: np.ndarray) -> None:
    """A PNG of columns of slices: label, real and drawn (B, H, W), images in [-1, 1]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(label)
    figure, axes = plt.subplots(3, count, figsize=(1.8 * count, 5.6), squeeze=False)
    rows = [("label", label, "nipy_spectral", 0, label.max())]
    rows += [("real", real, "gray", -1, 1), ("drawn", drawn, "gray", -1, 1)]
    for row, (name, images, colours, low, high) in zip(axes, rows, strict=True):
        for column, image in zip(row, images, strict=True):
            column.imshow(image, cmap=colours, vmin=low, vmax=high, origin="lower")
            column.set_axis_off()
        row[0].set_title(name, loc="left", fontsize=9)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=90)
    plt.close(figure)
