"""A trained fusion beside the mean of the same networks, on subjects that neither has seen.

As for the networks alone (factory.families.spade.scoring_volumes), subjects of an atlas are held
out between others like them: this is interpolation, not a test on unseen people.
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch

from factory.families.spade.volume_painter import SpadePainter
from factory.metrics.paired import flicker, paired_scores
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from factory.metrics.paired import profiles

RULES: dict[str, str | dict] = {"mean": "mean", "cnn": {"cnn": ""}}
"""By name; painters know their own network."""

INSIDE = ("ssim", "mse", "psnr", "corr", "score")


def versions(painter: SpadePainter, subject: Subject) -> dict[str, np.ndarray]:
    """What a subject's labels become by the mean and by the trained network."""
    volumes = painter.paint_all(subject.label, style_seed=0)
    return {
        name: painter.fuse(volumes, subject.label, rule).numpy() for name, rule in RULES.items()
    }


def scores(subject: Subject, made: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row a version: scores inside the brain, and flicker along each axis over the real one's.

    ssim, mse, psnr hold volumes divided by their own 99.5th percentiles against each other, which
    moves with a few bright voxels; as_is_ssim and so on leave what is made as it is, in units of
    the real volume's percentile, which the networks learnt.
    """
    assert subject.image is not None
    unit = np.percentile(subject.image[subject.label > 0], 99.5)
    real = {axis: flicker(subject.image, subject.label, i) for i, axis in enumerate("zyx")}
    rows = []
    for name, image in made.items():
        paired = paired_scores(image, subject.image, subject.label)
        ratios = {
            f"flicker_{axis}": flicker(image, subject.label, i) / real[axis]
            for i, axis in enumerate("zyx")
        }
        inside = {key: paired[key] for key in INSIDE}
        painted = paired_scores(image * unit, subject.image, subject.label, in_real_units=True)
        as_is = {f"as_is_{key}": painted[key] for key in ("ssim", "mse", "psnr")}
        rows.append({"subject": subject.id, "version": name, **inside, **as_is, **ratios})
    return rows


def evaluate(
    model: Path, fusion: Path, subjects: list[Subject], output: Path, title: str = ""
) -> pd.DataFrame:
    """Score a fusion of a SPADE model on subjects with images.

    title: said in each picture after the subject's name. Writes fusion.csv, fusion.md and a
    picture profiles-ID.png a subject into output.
    """
    painter = SpadePainter(model, torch.device("cpu"), fusion)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for subject in subjects:
        made = versions(painter, subject)
        rows += scores(subject, made)
        profiles(subject, made, output / f"profiles-{subject.id}.png", title)
    table = pd.DataFrame(rows)
    table.to_csv(output / "fusion.csv", index=False)
    (output / "fusion.md").write_text(markdown(table), encoding="utf-8")
    return table


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, figures inside the brain."""
    columns = [c for c in table.columns if c not in ("subject", "version")]
    lines = ["| subject | version | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for _, row in table.iterrows():
        figures = (f"{row[c]:.5f}" if c.endswith("mse") else f"{row[c]:.3f}" for c in columns)
        lines.append(f"| {row['subject']} | {row['version']} | " + " | ".join(figures) + " |")
    return "\n".join([*lines, ""])
