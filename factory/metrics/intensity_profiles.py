"""A picture of intensity profiles along the three axes (figure 4b of Ayaz et al.)."""

from pathlib import Path

import matplotlib
import numpy as np

from factory.imaging.boxes import bounding_box
from factory.imaging.orientations import AXES, cut, grow_side
from factory.metrics.paired import comparable_image
from factory.storage.subjects.types import Subject

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {"real": "black", "mean": "tab:blue", "cnn": "tab:red", "synthetic": "tab:red"}
"""The colours of the lines, by the name of the image."""

LINES = {
    "x (left to right)": (2, "axial"),
    "y (back to front)": (1, "sagittal"),
    "z (down to up)": (0, "coronal"),
}
"""For each profile its axis, and the orientation of the slice in which its line is shown."""

CENTRE_PERCENTILES = (50, 50, 30)
"""Where the lines meet, as percentiles of the tissue's z, y and x.

It is to the left of the midline, where the lines would only cross the gap of the hemispheres."""


def draw_intensity_profiles(
    subject: Subject, synthetic: dict[str, np.ndarray], path: Path, title: str = ""
) -> None:
    """Draw intensity profiles of a real and of synthetic volumes, beside slices that show the line.

    Args:
        subject: The real image and its label map.
        synthetic: Synthetic volumes [z, y, x] of that label map by name, a key of COLOURS.
        path: The PNG to write.
        title: Text that follows the subject's id in the title.
    """
    assert subject.image is not None
    box = tuple(grow_side(side, 4, 1) for side in bounding_box(subject.label))
    images = {
        name: cut(comparable_image(image, subject.label), box)
        for name, image in {"real": subject.image, **synthetic}.items()
    }
    tissue = np.nonzero(cut(subject.label, box))
    centre = [
        int(np.percentile(indices, percentile))
        for indices, percentile in zip(tissue, CENTRE_PERCENTILES, strict=True)
    ]
    count = len(images)
    figure, axes = plt.subplots(
        3, 1 + count, figsize=(3.2 * count + 6, 9), width_ratios=[2.2, *[1] * count]
    )
    for row, (name, (along, plane)) in zip(axes, LINES.items(), strict=True):
        line = tuple(slice(None) if i == along else c for i, c in enumerate(centre))
        for version, image in images.items():
            mm = np.arange(image.shape[along]) * subject.grid.spacing[along]
            row[0].plot(mm, image[line], color=COLOURS[version], label=version, lw=1.1)
        row[0].set(xlabel=f"mm along {name}", ylabel="intensity", ylim=(0, 1.2))
        rows, columns = (i for i in range(3) if i != AXES[plane])
        for cell, (version, image) in zip(row[1:], images.items(), strict=True):
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
