"""A SPADE model on the subjects that its training held out, beside painting by class means.

This is interpolation between subjects like those it learnt from (for an atlas: between ages of
one population average), not a test on unseen people.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.families.spade.volume_painter import SpadePainter
from factory.imaging.orientations import AXES
from factory.metrics.box_plots import boxes
from factory.metrics.paired import comparable, flicker, paired_scores
from factory.models import fusion_rules as fusion
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CLASS_MEANS = "class means"
"""The baseline. It is held against the real volume in the real volume's own units: divided by its
own 99.5th percentile, as the others are, it would be too bright and score worse."""

FUSIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": fusion.mean,
    "reject_outliers 0.5": lambda v: fusion.reject_outliers(v, 0.5),
    "reject_outliers 2": lambda v: fusion.reject_outliers(v, 2.0),
    "closest_two": fusion.closest_two,
}


def versions(painter: SpadePainter, subject: Subject) -> dict[str, np.ndarray]:
    """Every image the model can make of a subject's labels, and class-mean painting, by name."""
    made = {}
    means = painter.card.get("class_means")
    if means is not None:
        assert subject.image is not None
        unit = np.percentile(subject.image[subject.label > 0], 99.5)
        made[CLASS_MEANS] = (np.asarray(means) * unit)[subject.label].astype(np.float32)
    volumes = painter.paint_all(subject.label, style_seed=0)
    names = [o for o in AXES if o in painter.networks]
    made |= {name: v.numpy() for name, v in zip(names, volumes, strict=True)}
    if len(volumes) == 3:
        made |= {name: rule(volumes).numpy() for name, rule in FUSIONS.items()}
    return made


def held_out_scores(painter: SpadePainter, subjects: list[Subject]) -> pd.DataFrame:
    """A row a subject and version: scores inside the brain and over the whole volume, and the
    flicker along z, y and x held against the real volume's (1 is as smooth as real)."""
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        assert subject.image is not None
        for name, image in versions(painter, subject).items():
            ratios = {
                f"flicker_{axis}": flicker(image, subject.label, i)
                / flicker(subject.image, subject.label, i)
                for i, axis in enumerate("zyx")
            }
            scores = paired_scores(
                image, subject.image, subject.label, in_real_units=name == CLASS_MEANS
            )
            rows.append({"subject": subject.id, "version": name, **scores, **ratios})
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """The table a subject at a time, as Markdown; figures inside the brain, then whole-volume."""
    columns = ["ssim", "mse", "corr", "score", "whole_ssim", "whole_corr", "flicker_z", "flicker_x"]
    lines = []
    for subject, rows in table.groupby("subject", sort=True):
        lines += [f"**{subject}**", "", "| version | " + " | ".join(columns) + " |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        for _, row in rows.iterrows():
            figures = (f"{row[c]:.4f}" if "mse" in c else f"{row[c]:.3f}" for c in columns)
            lines.append(f"| {row['version']} | " + " | ".join(figures) + " |")
        lines.append("")
    return "\n".join(lines)


def picture(painter: SpadePainter, subjects: list[Subject], path: Path) -> None:
    """A PNG: each held-out subject's middle slices, real, fused and by class means."""
    figure, axes = plt.subplots(3 * len(subjects), 3, figsize=(8.4, 8.4 * len(subjects)))
    for rows, subject in zip(axes.reshape(len(subjects), 3, 3), subjects, strict=True):
        assert subject.image is not None
        made = versions(painter, subject)
        shown = {"real": subject.image, "mean of three": made["mean"]}
        shown[CLASS_MEANS] = made[CLASS_MEANS]
        centre = [int(np.median(v)) for v in np.nonzero(subject.label)]
        for row, (orientation, axis) in zip(rows, AXES.items(), strict=True):
            for cell, (name, image) in zip(row, shown.items(), strict=True):
                plane = comparable(image, subject.label).take(centre[axis], axis)
                cell.imshow(plane, cmap="gray", vmin=0, vmax=1, origin="lower")
                cell.set_title(f"{subject.id}  {orientation}  {name}", fontsize=7)
                cell.set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def evaluate(model: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model on subjects with images; writes held_out.csv, .md, .png and box plots into
    output."""
    painter = SpadePainter(model, torch.device("cpu"))
    table = held_out_scores(painter, subjects)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    (output / "held_out.md").write_text(markdown(table), encoding="utf-8")
    if len(painter.networks) == len(AXES):
        picture(painter, subjects, output / "held_out.png")
    boxes(table, "version", output / "held_out_boxes.png")
    return table
