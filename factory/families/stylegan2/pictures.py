"""Pictures of a StyleGAN2 training: samples, their neighbours, scores over kimg."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from scipy.spatial.distance import cdist

from factory.storage.subjects.types import LabelTable

matplotlib.use("Agg")
from matplotlib import colors
from matplotlib import pyplot as plt

COLUMNS = 12
Samples = tuple[np.ndarray, np.ndarray | None]
"""Images (N, C, H, W) in [-1, 1], of no channels where there are none, and labels (N, H, W)."""


def draw_samples(path: Path, drawn: Samples, table: LabelTable | None) -> None:
    """A grid, each image over its label map."""
    images, labels = drawn
    rows = [kind for kind, there in (("image", images.shape[1]), ("label", table)) if there]
    lines = -(-len(images) // COLUMNS)
    figure, axes = _axes(lines * len(rows))
    for i in range(len(images)):
        line, column = divmod(i, COLUMNS)
        for row, kind in enumerate(rows):
            axis = axes[line * len(rows) + row, column]
            if kind == "image":
                _image(axis, images[i])
            elif labels is not None and table is not None:
                _label(axis, labels[i], table)
    _save(figure, path)


def draw_neighbours(
    path: Path,
    drawn: np.ndarray,
    features: np.ndarray,
    real: np.ndarray,
    of_real: np.ndarray,
    owners: list[str],
) -> None:
    """Samples over the training slices nearest to them and whose they are: a copy would stand under
    itself."""
    columns = min(COLUMNS, len(drawn))
    nearest = cdist(features[:columns], of_real).argmin(1)
    figure, axes = _axes(2)
    for i, j in enumerate(nearest):
        _image(axes[0, i], drawn[i])
        _image(axes[1, i], real[j])
        axes[1, i].text(1, 1, owners[j], fontsize=6, color="white", verticalalignment="top")
    _save(figure, path)


def draw_curves(
    path: Path, rows: list[dict[str, Any]], floor: Mapping[str, Any], names: list[str]
) -> None:
    """Each metric over kimg, with what real against real gives as a dashed line."""
    figure, axes = plt.subplots(1, len(names), figsize=(14, 3))
    for axis, name in zip(axes, names, strict=True):
        points = [(r["kimg"], r[name]) for r in rows if r[name] is not None]
        if points:
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3)
        if floor[name] is not None:
            axis.axhline(floor[name], linestyle="--", color="grey")
        axis.set(title=name, xlabel="kimg")
    _save(figure, path)


def _axes(rows: int) -> tuple[Any, np.ndarray]:
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(COLUMNS, rows * 1.05), squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    return figure, axes


def _image(axis: Any, image: np.ndarray) -> None:
    show = image[0] if len(image) != 3 else np.moveaxis(image, 0, -1) / 2 + 0.5
    axis.imshow(show, cmap="gray", vmin=-1, vmax=1)


def _label(axis: Any, label: np.ndarray, table: LabelTable) -> None:
    palette = colors.ListedColormap(np.array(table.colours) / 255)
    most = len(table.colours) - 0.5
    axis.imshow(label, cmap=palette, vmin=-0.5, vmax=most, interpolation="nearest")


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
