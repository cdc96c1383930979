"""Scores of a SPADE model of short-axis stacks on the subjects that its training held out.

Each subject is painted in the style of its own image and in the mean style. The latter shows what a
label map says of an image that the model does not know.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.families.spade.slice_painter import SlicePainter
from factory.metrics.paired import comparable_image, ssim_map
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def paint_styles(painter: SlicePainter, subject: Subject) -> dict[str, np.ndarray]:
    """Paint a subject's labels in its own style, in the mean style, and by class means.

    Returns:
        Images float32 [z, y, x] by style. Class means leave the background black.
    """
    assert subject.image is not None
    style = painter.style_of(subject.image, subject.label)
    means = np.asarray(painter.card["class_means"], np.float32)
    return {
        "its own": painter.paint_slices(subject.label, style),
        "mean": painter.paint_slices(subject.label, torch.zeros_like(style)),
        "class means": means[subject.label],
    }


def score_styles(painter: SlicePainter, subjects: list[Subject]) -> pd.DataFrame:
    """Score each style of each subject.

    Returns:
        A row for each subject and style: SSIM slice by slice, MSE and correlation inside the
        labels, and over all of the slices that have labels (columns whole_…).
    """
    rows: list[JsonObject] = []
    for subject in subjects:
        assert subject.image is not None
        filled = subject.label.any(axis=(1, 2))
        inside = subject.label[filled] > 0
        real = comparable_image(subject.image, subject.label)[filled]
        for style, image in paint_styles(painter, subject).items():
            painted = np.clip(image, 0, 1)[filled]
            local = np.stack([ssim_map(a, b) for a, b in zip(painted, real, strict=True)])
            row = {"subject": subject.id, "vendor": subject.metadata["vendor"], "style": style}
            for prefix, where in (("", inside), ("whole_", np.ones_like(inside))):
                row |= {
                    f"{prefix}ssim": float(local[where].mean()),
                    f"{prefix}mse": float(np.square(painted - real)[where].mean()),
                    f"{prefix}corr": float(np.corrcoef(painted[where], real[where])[0, 1]),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def draw_picture(painter: SlicePainter, subjects: list[Subject], path: Path) -> None:
    """Draw the middle slice of each subject: its labels, the real image and the painted ones."""
    figure, axes = plt.subplots(5, len(subjects), figsize=(2 * len(subjects), 10), squeeze=False)
    for column, subject in zip(axes.T, subjects, strict=True):
        assert subject.image is not None
        middle = int(np.median(np.flatnonzero(subject.label.any(axis=(1, 2)))))
        real = comparable_image(subject.image, subject.label)
        images = {"real": real, **paint_styles(painter, subject)}
        column[0].imshow(subject.label[middle], "viridis", origin="lower")
        column[0].set_title(f"{subject.id} {subject.metadata['vendor']}", fontsize=7)
        for cell, (name, image) in zip(column[1:], images.items(), strict=True):
            cell.imshow(image[middle], "gray", vmin=0, vmax=1.1, origin="lower")
            cell.set_title(name, fontsize=7)
        for cell in column:
            cell.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def evaluate(model: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model on subjects with images.

    Writes held_out.csv and held_out.png into output.

    Args:
        model: The model folder.
        subjects: Held-out subjects with images.
        output: Where the table and the picture are written.

    Returns:
        The means over the subjects, a row for each style.
    """
    painter = SlicePainter(model, torch.device("cpu"))
    table = score_styles(painter, subjects)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    draw_picture(painter, subjects, output / "held_out.png")
    return table.groupby("style", sort=False).mean(numeric_only=True).reset_index()
