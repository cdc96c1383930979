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
from factory.imaging.orientations import AXES, brain_box, cut, grown
from factory.metrics.paired import comparable, flicker, paired_scores
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RULES: dict[str, str | dict] = {"mean": "mean", "cnn": {"cnn": ""}}
"""By name; painters know their own network."""

INSIDE = ("ssim", "mse", "psnr", "corr", "score")
COLOURS = {"real": "black", "mean": "tab:blue", "cnn": "tab:red", "synthetic": "tab:red"}


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


LINES = {
    "x (left to right)": (2, "axial"),
    "y (back to front)": (1, "sagittal"),
    "z (down to up)": (0, "coronal"),
}
"""The axis of each profile, and the orientation of the slice that its line is shown in."""


def profiles(subject: Subject, made: dict[str, np.ndarray], path: Path, title: str = "") -> None:
    """A PNG of intensities along the three axes, real and made, each beside the slices that its
    line is drawn in (figure 4b of Ayaz et al.).

    The lines meet in the middle from front to back and from top to bottom, and to the left of the
    midline, where the two hemispheres' gap would be all that they saw.
    """
    assert subject.image is not None
    box = tuple(grown(side, 4, 1) for side in brain_box(subject.label))
    shown = {"real": subject.image, **made}
    shown = {name: cut(comparable(image, subject.label), box) for name, image in shown.items()}
    where = np.nonzero(cut(subject.label, box))
    centre = [int(np.percentile(v, share)) for v, share in zip(where, (50, 50, 30), strict=True)]
    figure, axes = plt.subplots(
        3, 1 + len(shown), figsize=(3.2 * len(shown) + 6, 9), width_ratios=[2.2, *[1] * len(shown)]
    )
    for row, (name, (along, plane)) in zip(axes, LINES.items(), strict=True):
        line = tuple(slice(None) if i == along else c for i, c in enumerate(centre))
        for version, image in shown.items():
            mm = np.arange(image.shape[along]) * subject.grid.spacing[along]
            row[0].plot(mm, image[line], color=COLOURS[version], label=version, lw=1.1)
        row[0].set(xlabel=f"mm along {name}", ylabel="intensity", ylim=(0, 1.2))
        rows, columns = (i for i in range(3) if i != AXES[plane])
        for cell, (version, image) in zip(row[1:], shown.items(), strict=True):
            slice_ = image.take(centre[AXES[plane]], AXES[plane])
            cell.imshow(slice_, cmap="gray", vmin=0, vmax=1, origin="lower")
            if along == columns:
                cell.axhline(centre[rows], color="tab:orange", lw=0.7)
            else:
                cell.axvline(centre[columns], color="tab:orange", lw=0.7)
            cell.set_title(f"{version}, {plane}", fontsize=9)
            cell.set_axis_off()
    axes[0][0].legend(fontsize=9, loc="upper right", ncols=3)
    figure.suptitle(f"{subject.id}{title}", fontsize=11)
    figure.tight_layout(pad=0.6)
    figure.savefig(path, dpi=80)
    plt.close(figure)


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
