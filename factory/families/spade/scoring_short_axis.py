"""A SPADE model of stacks on the subjects that its training held out.

Each is painted in the style of its own image, and in the mean style: the second is what a label
map says of an image without knowing it.
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.families.spade.slice_painter import SlicePainter
from factory.metrics.paired import comparable, ssim_map
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def paintings(painter: SlicePainter, subject: Subject) -> dict[str, np.ndarray]:
    """Images of a subject's labels by style, and by class means (the background black)."""
    assert subject.image is not None
    own = painter.style_of(subject.image, subject.label)
    means = np.asarray(painter.card["class_means"], np.float32)
    return {
        "its own": painter.paint_slices(subject.label, own),
        "mean": painter.paint_slices(subject.label, torch.zeros_like(own)),
        "class means": means[subject.label],
    }


def scores(painter: SlicePainter, subjects: list[Subject]) -> pd.DataFrame:
    """A row a subject and style: SSIM slice by slice, MSE and correlation inside the labels, and
    over all of the slices that have labels (whole_)."""
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        assert subject.image is not None
        filled = subject.label.any(axis=(1, 2))
        inside = subject.label[filled] > 0
        real = comparable(subject.image, subject.label)[filled]
        for style, image in paintings(painter, subject).items():
            drawn = np.clip(image, 0, 1)[filled]
            local = np.stack([ssim_map(a, b) for a, b in zip(drawn, real, strict=True)])
            row = {"subject": subject.id, "vendor": subject.metadata["vendor"], "style": style}
            for prefix, where in (("", inside), ("whole_", np.ones_like(inside))):
                row |= {
                    f"{prefix}ssim": float(local[where].mean()),
                    f"{prefix}mse": float(np.square(drawn - real)[where].mean()),
                    f"{prefix}corr": float(np.corrcoef(drawn[where], real[where])[0, 1]),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def picture(painter: SlicePainter, subjects: list[Subject], path: Path) -> None:
    """A PNG: the middle slice of each subject, its labels, the real image and the painted ones."""
    figure, axes = plt.subplots(5, len(subjects), figsize=(2 * len(subjects), 10), squeeze=False)
    for column, subject in zip(axes.T, subjects, strict=True):
        assert subject.image is not None
        middle = int(np.median(np.flatnonzero(subject.label.any(axis=(1, 2)))))
        shown = {"real": comparable(subject.image, subject.label), **paintings(painter, subject)}
        column[0].imshow(subject.label[middle], "viridis", origin="lower")
        column[0].set_title(f"{subject.id} {subject.metadata['vendor']}", fontsize=7)
        for cell, (name, image) in zip(column[1:], shown.items(), strict=True):
            cell.imshow(image[middle], "gray", vmin=0, vmax=1.1, origin="lower")
            cell.set_title(name, fontsize=7)
        for cell in column:
            cell.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def evaluate(model: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model on subjects with images; writes held_out.csv and .png into output. Returns the
    means over subjects, a row a style."""
    painter = SlicePainter(model, torch.device("cpu"))
    table = scores(painter, subjects)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    picture(painter, subjects, output / "held_out.png")
    return table.groupby("style", sort=False).mean(numeric_only=True).reset_index()
