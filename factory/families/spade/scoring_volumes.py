"""Scores of a SPADE model on the subjects that its training held out, beside class means.

This is interpolation between subjects like those of the training (for an atlas: between ages of
one population average), not a test on unseen people.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.families.spade.volume_painter import SpadePainter
from factory.imaging.intensities import intensity_span, intensity_zero
from factory.imaging.orientations import AXES
from factory.metrics.box_plots import draw_box_plots
from factory.metrics.paired import comparable_image, flicker_ratios, paired_scores
from factory.models import fusion_rules as fusion
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import first_channel, list_channels, split_channels
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CLASS_MEANS = "class means"
"""The baseline. It is compared with the real volume in the real volume's units: divided by its own
99.5th percentile, as the other versions are, it would be too bright and score worse."""

FUSIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": fusion.mean,
    "reject_outliers 0.5": lambda v: fusion.reject_outliers(v, 0.5),
    "reject_outliers 2": lambda v: fusion.reject_outliers(v, 2.0),
    "closest_two": fusion.closest_two,
}


def paint_versions(painter: SpadePainter, subject: Subject) -> dict[str, np.ndarray]:
    """Paint a subject's labels in every way: class means, each orientation, and each fusion.

    Returns:
        Images float32 [channel, z, y, x] by the name of the version; of an image without named
        channels there is one.
    """
    versions = {}
    means = painter.card.get("class_means")
    if means is not None:
        assert subject.image is not None
        by_channel = means if subject.channels else [means]
        versions[CLASS_MEANS] = np.stack(
            [
                class_mean_image(channel, subject.label, values)
                for channel, values in zip(list_channels(subject.image), by_channel, strict=True)
            ]
        )
    volumes = painter.paint_all(subject.label, style_seed=0)
    names = [orientation for orientation in AXES if orientation in painter.networks]
    versions |= {name: v.numpy() for name, v in zip(names, volumes, strict=True)}
    if len(volumes) == 3:
        versions |= {name: rule(volumes).numpy() for name, rule in FUSIONS.items()}
    return {
        name: image[None] if image.ndim == subject.label.ndim else image
        for name, image in versions.items()
    }


def class_mean_image(image: np.ndarray, label: np.ndarray, means: list[float]) -> np.ndarray:
    """Return the image of class means, float32 [z, y, x], in the units of a real image.

    Args:
        image: The real image [z, y, x].
        label: Its label map.
        means: The mean of each label, in the factory's unit.
    """
    zero, span = intensity_zero(image, label), intensity_span(image, label)
    painted: np.ndarray = (np.asarray(means) * span + zero)[label].astype(np.float32)
    return painted


def held_out_scores(painter: SpadePainter, subjects: list[Subject]) -> pd.DataFrame:
    """Score each version of each subject.

    Returns:
        A row for each subject, named channel and version: scores inside the brain and over the
        whole volume, and the flicker along z, y and x relative to the real volume's (1 is as smooth
        as real).
    """
    rows: list[JsonObject] = []
    for subject in subjects:
        versions = paint_versions(painter, subject)
        for index, (channel, real) in enumerate(split_channels(subject).items()):
            key = {"subject": subject.id, **({"channel": channel} if channel else {})}
            for name, image in versions.items():
                scores = version_scores(image[index], real, in_real_units=name == CLASS_MEANS)
                rows.append({**key, "version": name, **scores})
    return pd.DataFrame(rows)


def version_scores(image: np.ndarray, real: Subject, in_real_units: bool) -> dict[str, float]:
    """Score one image [z, y, x] of a subject; see `held_out_scores`."""
    assert real.image is not None
    scores = paired_scores(image, real.image, real.label, in_real_units)
    return {**scores, **flicker_ratios(image, real.image, real.label)}


def markdown(table: pd.DataFrame) -> str:
    """Return a table of scores as Markdown, one table for each subject."""
    columns = ["ssim", "mse", "corr", "score", "whole_ssim", "whole_corr", "flicker_z", "flicker_x"]
    lines = []
    keys = [key for key in ("subject", "channel") if key in table]
    for values, rows in table.groupby(keys, sort=True):
        subject = " ".join(map(str, values))
        lines += [f"**{subject}**", "", "| version | " + " | ".join(columns) + " |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        for _, row in rows.iterrows():
            figures = (f"{row[c]:.4f}" if "mse" in c else f"{row[c]:.3f}" for c in columns)
            lines.append(f"| {row['version']} | " + " | ".join(figures) + " |")
        lines.append("")
    return "\n".join(lines)


def draw_picture(painter: SpadePainter, subjects: list[Subject], path: Path) -> None:
    """Draw the middle slices of each subject: real, fused and by class means."""
    figure, axes = plt.subplots(3 * len(subjects), 3, figsize=(8.4, 8.4 * len(subjects)))
    for rows, subject in zip(axes.reshape(len(subjects), 3, 3), subjects, strict=True):
        assert subject.image is not None
        versions = paint_versions(painter, subject)
        images = {"real": first_channel(subject.image), "mean of three": versions["mean"][0]}
        images[CLASS_MEANS] = versions[CLASS_MEANS][0]
        centre = [int(np.median(v)) for v in np.nonzero(subject.label)]
        for row, (orientation, axis) in zip(rows, AXES.items(), strict=True):
            for cell, (name, image) in zip(row, images.items(), strict=True):
                plane = comparable_image(image, subject.label).take(centre[axis], axis)
                cell.imshow(plane, cmap="gray", vmin=0, vmax=1, origin="lower")
                cell.set_title(f"{subject.id}  {orientation}  {name}", fontsize=7)
                cell.set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def evaluate(model: Path, subjects: list[Subject], output: Path) -> pd.DataFrame:
    """Score a model on subjects with images, and return the table of `held_out_scores`.

    Writes held_out.csv, held_out.md, held_out.png and held_out_boxes.png into output.

    Args:
        model: The model folder.
        subjects: Held-out subjects with images.
        output: Where the tables and the pictures are written.
    """
    painter = SpadePainter(model, torch.device("cpu"))
    table = held_out_scores(painter, subjects)
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "held_out.csv", index=False)
    (output / "held_out.md").write_text(markdown(table), encoding="utf-8")
    if len(painter.networks) == len(AXES):
        draw_picture(painter, subjects, output / "held_out.png")
    draw_box_plots(table, "version", output / "held_out_boxes.png")
    return table
