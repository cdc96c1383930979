"""Pictures of an audit: the closest pairs side by side, and distances."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from factory.evaluation.neighbours import Gallery, Nearest, onto

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PAIRS = 8


def draw(
    output: Path,
    samples: Gallery,
    learnt: Gallery,
    found: Nearest,
    table: pd.DataFrame,
    among: Nearest,
    floor: pd.DataFrame | None,
    limits: dict[str, float],
) -> None:
    """audit-pairs.png and audit-distances.png."""
    pairs(output / "audit-pairs.png", samples, learnt, found, limits["pixels"])
    distances(output / "audit-distances.png", table, among, floor, limits)


def pairs(path: Path, samples: Gallery, learnt: Gallery, found: Nearest, limit: float) -> None:
    """The closest samples, each with its nearest training image and what differs between them, in
    the sample's place: red where the sample is the brighter, blue where the darker."""
    closest = np.argsort(found.distance)[:PAIRS]
    figure, axes = plt.subplots(3, len(closest), figsize=(1.9 * len(closest) + 0.6, 6.6))
    for column, i in zip(axes.reshape(3, -1).T, closest, strict=True):
        j, flip = found.pixels[i], bool(found.mirrored[i])
        moved, far = onto(samples.images[i], learnt.images[j], flip)
        real = learnt.images[j].astype(np.float32)
        if real.ndim == 3:
            moved, real = moved[len(moved) // 2], real[len(real) // 2]
        named = (samples.ids[i], learnt.ids[j], f"distance {far:.3f}")
        shown = (moved, real, moved / max(moved.max(), 1e-6) - real / max(real.max(), 1e-6))
        for row, (cell, image, name) in enumerate(zip(column, shown, named, strict=True)):
            low, colours = (-0.5, "RdBu_r") if row == 2 else (0.0, "gray")
            cell.imshow(image, colours, vmin=low, vmax=0.5 if row == 2 else 1.1, origin="lower")
            cell.set_title(name, fontsize=7, color="tab:red" if far < limit else "black")
            cell.set_xticks([])
            cell.set_yticks([])
    for cell, name in zip(axes.reshape(3, -1)[:, 0], ("sample", "training", "difference"),
                          strict=True):  # fmt: skip
        cell.set_ylabel(name, fontsize=8)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def distances(
    path: Path,
    table: pd.DataFrame,
    among: Nearest,
    floor: pd.DataFrame | None,
    limits: dict[str, float],
) -> None:
    """Cumulative shares of samples by stratum, of held-out images and of training images among
    themselves, over their distance to the nearest training image; dashed, the limit of close."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    columns = {"pixels": "distance", "features": "feature_distance"}
    for axis, (name, column) in zip(axes, columns.items(), strict=True):
        sets = {"real, to another's": getattr(among, column)}
        if floor is not None:
            sets["held-out real"] = floor[column].to_numpy()
        for labels, part in table.groupby("labels", sort=False):
            sets[f"samples of {labels}"] = part[column].to_numpy()
        for place, (what, values) in enumerate(sets.items()):
            style = {"color": "black"} if not place else {}
            axis.ecdf(values[np.isfinite(values)], label=what, **style)
        axis.axvline(limits[name], color="grey", ls="--", lw=0.8)
        axis.set(xlabel=f"distance to the nearest training image, {name}", ylabel="share of images")
        axis.set_ylim(0, 1)
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
