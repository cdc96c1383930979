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
from factory.imaging.intensities import intensity_span, intensity_zero
from factory.metrics.paired import flicker_ratios, paired_scores
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import list_channels, split_channels
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
    zero = intensity_zero(subject.image, subject.label)
    span = intensity_span(subject.image, subject.label)
    rows = []
    for name, image in versions.items():
        paired = paired_scores(image, subject.image, subject.label)
        ratios = flicker_ratios(image, subject.image, subject.label)
        inside = {key: paired[key] for key in INSIDE}
        in_real_units = paired_scores(
            image * span + zero, subject.image, subject.label, in_real_units=True
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
        fused = fuse_by_rules(painter, subject)
        for index, (channel, real) in enumerate(split_channels(subject).items()):
            versions = {name: list_channels(image)[index] for name, image in fused.items()}
            scores = score_versions(real, versions)
            rows += [{**row, **({"channel": channel} if channel else {})} for row in scores]
            name = f"{subject.id}-{channel}" if channel else subject.id
            draw_intensity_profiles(real, versions, output / f"profiles-{name}.png", title)
    table = pd.DataFrame(rows)
    table.to_csv(output / "fusion.csv", index=False)
    (output / "fusion.md").write_text(markdown(table), encoding="utf-8")
    return table


def markdown(table: pd.DataFrame) -> str:
    """Return a table of scores as Markdown."""
    names = [c for c in ("subject", "channel", "version") if c in table.columns]
    columns = [c for c in table.columns if c not in names]
    lines = ["| " + " | ".join([*names, *columns]) + " |"]
    lines.append("|---" * (len(columns) + len(names)) + "|")
    for _, row in table.iterrows():
        figures = (f"{row[c]:.5f}" if c.endswith("mse") else f"{row[c]:.3f}" for c in columns)
        lines.append("| " + " | ".join([*(str(row[n]) for n in names), *figures]) + " |")
    return "\n".join([*lines, ""])
