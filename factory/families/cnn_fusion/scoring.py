"""Scores of a trained fusion beside the mean of the same networks, on subjects unseen by both.

As for the networks alone (factory.families.spade.scoring_volumes), the held-out subjects of an
atlas lie between others of a similar age: this is interpolation, not a test on unseen people.
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.families.spade.volume_painter import SpadePainter
from factory.imaging.intensities import intensity_unit
from factory.metrics.paired import flicker, paired_scores
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from factory.metrics.intensity_profiles import draw_intensity_profiles

RULES: dict[str, str | JsonObject] = {"mean": "mean", "cnn": {"cnn": ""}}
"""Rules of SpadePainter.fuse by name; the painter already holds the network of "cnn"."""

INSIDE = ("ssim", "mse", "psnr", "corr", "score")
"""Scores inside the brain."""


def fuse_by_rules(painter: SpadePainter, subject: Subject) -> dict[str, np.ndarray]:
    """Paint a subject and fuse its volumes by the mean and by the trained network."""
    volumes = painter.paint_all(subject.label, style_seed=0)
    return {
        name: painter.fuse(volumes, subject.label, rule).numpy() for name, rule in RULES.items()
    }


def score_versions(subject: Subject, versions: dict[str, np.ndarray]) -> list[JsonObject]:
    """Score fused images against the real one, inside the brain.

    Args:
        subject: A subject with an image.
        versions: Fused images [z, y, x] by name.

    Returns:
        A row for each version. Its ssim, mse and psnr compare volumes that are each divided by
        their own 99.5th percentile, which changes with a few bright voxels. as_is_ssim and so on
        leave the fused image as it is, in units of the real volume's percentile, which the networks
        learnt. flicker_z, _y and _x are relative to the real image's.
    """
    assert subject.image is not None
    unit = intensity_unit(subject.image, subject.label > 0)
    real = {axis: flicker(subject.image, subject.label, i) for i, axis in enumerate("zyx")}
    rows = []
    for name, image in versions.items():
        paired = paired_scores(image, subject.image, subject.label)
        ratios = {
            f"flicker_{axis}": flicker(image, subject.label, i) / real[axis]
            for i, axis in enumerate("zyx")
        }
        inside = {key: paired[key] for key in INSIDE}
        in_real_units = paired_scores(
            image * unit, subject.image, subject.label, in_real_units=True
        )
        as_is = {f"as_is_{key}": in_real_units[key] for key in ("ssim", "mse", "psnr")}
        rows.append({"subject": subject.id, "version": name, **inside, **as_is, **ratios})
    return rows


def evaluate(
    model: Path, fusion: Path, subjects: list[Subject], output: Path, title: str = ""
) -> pd.DataFrame:
    """Score a fusion of a SPADE model on subjects with images.

    Writes fusion.csv, fusion.md and a picture profiles-ID.png of each subject into output.

    Args:
        model: Folder of the SPADE model.
        fusion: Folder of the fusion.
        subjects: Subjects with images.
        output: Where the tables and the pictures are written.
        title: Addition to the title of each picture, after the subject's id.
    """
    painter = SpadePainter(model, torch.device("cpu"), fusion)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for subject in subjects:
        versions = fuse_by_rules(painter, subject)
        rows += score_versions(subject, versions)
        draw_intensity_profiles(subject, versions, output / f"profiles-{subject.id}.png", title)
    table = pd.DataFrame(rows)
    table.to_csv(output / "fusion.csv", index=False)
    (output / "fusion.md").write_text(markdown(table), encoding="utf-8")
    return table


def markdown(table: pd.DataFrame) -> str:
    """Return a table of scores as Markdown."""
    columns = [c for c in table.columns if c not in ("subject", "version")]
    lines = ["| subject | version | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for _, row in table.iterrows():
        figures = (f"{row[c]:.5f}" if c.endswith("mse") else f"{row[c]:.3f}" for c in columns)
        lines.append(f"| {row['subject']} | {row['version']} | " + " | ".join(figures) + " |")
    return "\n".join([*lines, ""])
