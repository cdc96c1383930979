"""Pictures of a StyleGAN2 training: samples, their nearest training slices, and scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from scipy.spatial.distance import cdist

from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

matplotlib.use("Agg")
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMNS = 12
"""Samples in a row."""

Samples = tuple[np.ndarray, np.ndarray | None]
"""Images (N, C, H, W) in [-1, 1], where C is 0 if there are none, and label maps (N, H, W)."""


def draw_samples(path: Path, samples: Samples, table: LabelTable | None) -> None:
    """Draw a grid of samples, each image above its label map.

    Args:
        path: The PNG to write.
        samples: The images and label maps.
        table: The label table; None if there are no label maps.
    """
    images, labels = samples
    kinds = [kind for kind, exists in (("image", images.shape[1]), ("label", table)) if exists]
    lines = -(-len(images) // COLUMNS)
    figure, axes = _make_grid(lines * len(kinds))
    for i in range(len(images)):
        line, column = divmod(i, COLUMNS)
        for row, kind in enumerate(kinds):
            cell = axes[line * len(kinds) + row, column]
            if kind == "image":
                _draw_image(cell, images[i])
            elif labels is not None and table is not None:
                _draw_label(cell, labels[i], table)
    _save(figure, path)


def draw_neighbours(
    path: Path,
    samples: np.ndarray,
    features: np.ndarray,
    real: np.ndarray,
    real_features: np.ndarray,
    owners: list[str],
) -> None:
    """Draw samples above their nearest training slices: a copied slice would be below itself.

    Args:
        path: The PNG to write.
        samples: Images (N, C, H, W) in [-1, 1].
        features: The features of the samples, (N, F).
        real: Training slices (M, C, H, W) in [-1, 1].
        real_features: The features of the training slices, (M, F).
        owners: The subject of each training slice.
    """
    columns = min(COLUMNS, len(samples))
    nearest = cdist(features[:columns], real_features).argmin(1)
    figure, axes = _make_grid(2)
    for i, j in enumerate(nearest):
        _draw_image(axes[0, i], samples[i])
        _draw_image(axes[1, i], real[j])
        axes[1, i].text(1, 1, owners[j], fontsize=6, color="white", verticalalignment="top")
    _save(figure, path)


def draw_curves(
    path: Path,
    rows: Sequence[JsonObject],
    half_scores: Mapping[str, object],
    names: Sequence[str],
) -> None:
    """Draw each score over kimg, with the score of real against real as a dashed line.

    Args:
        path: The PNG to write.
        rows: Scores by name, with "kimg".
        half_scores: The scores of one half of the training subjects against the other.
        names: The scores to draw.
    """
    figure, axes = plt.subplots(1, len(names), figsize=(14, 3))
    for axis, name in zip(axes, names, strict=True):
        points = [(row["kimg"], row[name]) for row in rows if row[name] is not None]
        if points:
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3)
        if half_scores[name] is not None:
            axis.axhline(half_scores[name], linestyle="--", color="grey")
        axis.set(title=name, xlabel="kimg")
    _save(figure, path)


def _make_grid(rows: int) -> tuple[Figure, np.ndarray]:
    """Return a figure with rows of COLUMNS empty cells."""
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(COLUMNS, rows * 1.05), squeeze=False)
    for cell in axes.ravel():
        cell.set_axis_off()
    return figure, axes


def _draw_image(cell: Axes, image: np.ndarray) -> None:
    """Draw an image (C, H, W): in colour if it has three channels, else the first one in grey."""
    pixels = image[0] if len(image) != 3 else np.moveaxis(image, 0, -1) / 2 + 0.5
    cell.imshow(pixels, cmap="gray", vmin=-1, vmax=1)


def _draw_label(cell: Axes, label: np.ndarray, table: LabelTable) -> None:
    """Draw a label map in the colours of its table."""
    palette = colors.ListedColormap(np.array(table.colours) / 255)
    top = len(table.colours) - 0.5
    cell.imshow(label, cmap=palette, vmin=-0.5, vmax=top, interpolation="nearest")


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
