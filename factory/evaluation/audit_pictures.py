"""Pictures of an audit: the closest pairs side by side, and all distances."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from factory.evaluation.neighbours import Gallery, Neighbours, align_pair

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PAIRS = 8
"""Most pairs that are drawn."""


def draw_pairs(
    path: Path, samples: Gallery, training: Gallery, neighbours: Neighbours, limit: float
) -> None:
    """Draw the closest samples, each above its nearest training image and their difference.

    The difference is red where the sample is brighter and blue where it is darker.

    Args:
        path: The PNG to write.
        samples: The samples.
        training: The training images.
        neighbours: The nearest training image of each sample.
        limit: Titles of pairs with a smaller distance by pixels are red.
    """
    closest = np.argsort(neighbours.distance)[:PAIRS]
    figure, axes = plt.subplots(3, len(closest), figsize=(1.9 * len(closest) + 0.6, 6.6))
    axes = axes.reshape(3, -1)
    for column, i in zip(axes.T, closest, strict=True):
        j, flip = neighbours.by_pixels[i], bool(neighbours.mirrored[i])
        aligned, distance = align_pair(samples.images[i], training.images[j], flip)
        real = training.images[j].astype(np.float32)
        if real.ndim == 3:
            aligned, real = aligned[len(aligned) // 2], real[len(real) // 2]
        difference = aligned / max(aligned.max(), 1e-6) - real / max(real.max(), 1e-6)
        titles = (samples.ids[i], training.ids[j], f"distance {distance:.3f}")
        images = (aligned, real, difference)
        for row, (cell, image, title) in enumerate(zip(column, images, titles, strict=True)):
            low, high, colours = (-0.5, 0.5, "RdBu_r") if row == 2 else (0.0, 1.1, "gray")
            cell.imshow(image, colours, vmin=low, vmax=high, origin="lower")
            cell.set_title(title, fontsize=7, color="tab:red" if distance < limit else "black")
            cell.set_xticks([])
            cell.set_yticks([])
    for cell, name in zip(axes[:, 0], ("sample", "training", "difference"), strict=True):
        cell.set_ylabel(name, fontsize=8)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_distances(
    path: Path,
    samples: pd.DataFrame,
    between_real: Neighbours,
    floor: pd.DataFrame | None,
    limits: Mapping[str, float],
) -> None:
    """Draw the cumulative shares of images over their distance to the nearest training image.

    Args:
        path: The PNG to write.
        samples: The rows of the samples, as factory.evaluation.audit.nearest_table returns them,
            with the column `labels`.
        between_real: Distances of training images to those of other people.
        floor: The rows of the held-out images, if there are any.
        limits: The limit of close by "pixels" and by "features", drawn as a dashed line.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    columns = {"pixels": "distance", "features": "feature_distance"}
    for axis, (name, column) in zip(axes, columns.items(), strict=True):
        curves = {"real, to another person's": getattr(between_real, column)}
        if floor is not None:
            curves["held-out real"] = floor[column].to_numpy()
        for labels, rows in samples.groupby("labels", sort=False):
            curves[f"samples of {labels}"] = rows[column].to_numpy()
        for number, (label, values) in enumerate(curves.items()):
            style = {} if number else {"color": "black"}
            axis.ecdf(values[np.isfinite(values)], label=label, **style)
        axis.axvline(limits[name], color="grey", ls="--", lw=0.8)
        axis.set(xlabel=f"distance to the nearest training image, {name}", ylabel="share of images")
        axis.set_ylim(0, 1)
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
