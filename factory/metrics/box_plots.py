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
    """A PNG of box plots, one of FIGURES each, a box a value of the column `by`, with its points;
    whiskers to 1.5 quartile ranges."""
    shown = [name for name in SCORES if name in table and table[name].notna().any()]
    kinds = list(dict.fromkeys(table[by]))
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4))
    for axis, name in zip(axes.ravel(), shown, strict=False):
        values = [table[name][table[by] == kind].dropna().to_numpy() for kind in kinds]
        axis.boxplot(values, tick_labels=kinds, widths=0.55, showfliers=False)
        for place, points in enumerate(values, start=1):
            aside = place + 0.16 * np.sin(np.arange(len(points)) * 2.4)
            axis.plot(aside, points, "o", ms=2.5, color="tab:blue", alpha=0.5)
        axis.set_title(TITLES[name], fontsize=10)
        axis.tick_params(axis="x", labelsize=8, rotation=20 if len(kinds) > 4 else 0)
        axis.grid(axis="y", alpha=0.3)
    for axis in axes.ravel()[len(shown) :]:
        axis.set_axis_off()
    figure.tight_layout(pad=0.8)
    figure.savefig(path, dpi=90)
    plt.close(figure)
