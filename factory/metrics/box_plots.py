"""Box plots of paired scores, as in the fetal paper's figures 4 and 5."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from factory.metrics.paired import SCORES

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TITLES = {"ssim": "SSIM", "mse": "MSE", "psnr": "PSNR (dB)", "corr": "correlation",
          "mi": "mutual information (nats)", "score": "(2 SSIM + correlation) / 3"}  # fmt: skip


def draw_box_plots(table: pd.DataFrame, by: str, path: Path) -> None:
    """Draw one box plot for each of SCORES as a PNG.

    Each box has its points beside it, and whiskers to 1.5 times the interquartile range.

    Args:
        table: Scores, with columns named as in SCORES.
        by: The column whose values each get a box.
        path: The file to write.
    """
    scores = [name for name in SCORES if name in table and table[name].notna().any()]
    groups = list(dict.fromkeys(table[by]))
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4))
    for axis, name in zip(axes.ravel(), scores, strict=False):
        values = [table[name][table[by] == group].dropna().to_numpy() for group in groups]
        axis.boxplot(values, tick_labels=groups, widths=0.55, showfliers=False)
        for place, points in enumerate(values, start=1):
            jitter = place + 0.16 * np.sin(np.arange(len(points)) * 2.4)
            axis.plot(jitter, points, "o", ms=2.5, color="tab:blue", alpha=0.5)
        axis.set_title(TITLES[name], fontsize=10)
        axis.tick_params(axis="x", labelsize=8, rotation=20 if len(groups) > 4 else 0)
        axis.grid(axis="y", alpha=0.3)
    for axis in axes.ravel()[len(scores) :]:
        axis.set_axis_off()
    figure.tight_layout(pad=0.8)
    figure.savefig(path, dpi=90)
    plt.close(figure)
