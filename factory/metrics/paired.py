"""Scores of a synthetic volume against the real one of the same label map.

Both volumes are divided by their own 99.5th percentile inside the brain and clipped to [0, 1]
first. `inside` figures are over label > 0, `whole` ones over the whole array. What is undefined
(the correlation of a constant image, SSIM where a side is shorter than its window) is NaN.
"""

import math
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from skimage.metrics import structural_similarity

from factory.errors import FactoryError
from factory.imaging.boxes import bounding_box
from factory.imaging.intensities import intensity_unit, normalise
from factory.imaging.orientations import AXES, cut, grow_side
from factory.storage.subjects.types import Subject

WINDOW = 11
"""Voxels a side of SSIM's Gaussian window."""

BINS = 32
"""Of each image's intensities, for mutual information."""

LEAST = 0.05
"""Of the tissue of the fullest slice: what a slice must hold to be scored by itself."""


def comparable_image(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """An image from 0 to 1; one that is dark throughout the brain stays dark."""
    if not (label > 0).any() or intensity_unit(image, label > 0) <= 0:
        return np.zeros(image.shape, np.float32)
    return np.clip(normalise(image, label), 0, 1)


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Voxelwise SSIM (Wang et al. 2004): Gaussian window, σ 1.5, 11 voxels a side, range 1."""
    if min(a.shape) < WINDOW:
        return np.full(a.shape, np.nan)
    _, local = structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return local


def paired_scores(
    synthetic: np.ndarray, real: np.ndarray, label: np.ndarray, in_real_units: bool = False
) -> dict[str, float]:
    """3D SSIM, MSE, PSNR (dB), correlation, mutual information (nats) and the fetal paper's
    (2 SSIM + correlation) / 3.

    Arrays are [z, y, x] on one grid. in_real_units: both are divided by the real volume's 99.5th
    percentile, not each by its own. Keys: ssim, mse, psnr, corr, mi, score inside the brain, and
    the same with the prefix whole_. Raises FactoryError where grids differ.
    """
    a, b = comparable_pair(synthetic, real, label, in_real_units)
    inside, whole = image_scores(a, b, label > 0), image_scores(a, b, np.ones(label.shape, bool))
    return {**inside, **{f"whole_{name}": value for name, value in whole.items()}}


def slice_scores(
    synthetic: np.ndarray, real: np.ndarray, label: np.ndarray, orientation: str
) -> dict[str, float]:
    """The same keys as paired_scores inside the brain, slice by slice in 2D; means over those that
    hold LEAST of the fullest one's tissue."""
    a, b = comparable_pair(synthetic, real, label)
    stacks = [np.moveaxis(v, AXES[orientation], 0) for v in (a, b, label > 0)]
    areas = stacks[2].sum(axis=(1, 2))
    scored = [
        image_scores(*planes)
        for planes, n in zip(zip(*stacks, strict=True), areas, strict=True)
        if n and n >= LEAST * areas.max()
    ]
    if not scored:
        return dict.fromkeys(SCORES, math.nan)
    return {name: float(np.mean([s[name] for s in scored])) for name in SCORES}


def comparable_pair(
    synthetic: np.ndarray, real: np.ndarray, label: np.ndarray, in_real_units: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The two images as they are compared."""
    if not synthetic.shape == real.shape == label.shape:
        raise FactoryError(
            f"grids differ: synthetic {synthetic.shape}, real {real.shape}, labels {label.shape}; "
            "allowed: one shape"
        )
    b = comparable_image(real, label)
    if not in_real_units:
        return comparable_image(synthetic, label), b
    unit = intensity_unit(real, label > 0)
    return np.clip(synthetic / unit, 0, 1).astype(np.float32), b


SCORES = ("ssim", "mse", "psnr", "corr", "mi", "score")


def image_scores(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> dict[str, float]:
    """FIGURES of two images in [0, 1], of any number of dimensions, over a mask."""
    if not where.any():
        return dict.fromkeys(SCORES, math.nan)
    ssim = float(ssim_map(a, b)[where].mean())
    mse = float(np.square(a[where] - b[where]).mean())
    corr = correlation(a[where], b[where])
    return {
        "ssim": ssim,
        "mse": mse,
        "psnr": 10 * math.log10(1 / max(mse, 1e-12)),
        "corr": corr,
        "mi": mutual_information(a[where], b[where]),
        "score": (2 * ssim + corr) / 3,
    }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, NaN where either does not vary."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def mutual_information(a: np.ndarray, b: np.ndarray, bins: int = BINS) -> float:
    """In nats, by a joint histogram of intensities in [0, 1]. It grows with the number of bins and
    is never quite 0: of independent images about (bins − 1)² / 2n."""
    joint, _, _ = np.histogram2d(a, b, bins, ((0, 1), (0, 1)))
    joint = joint / joint.sum()
    apart = joint.sum(1, keepdims=True) * joint.sum(0)
    some = joint > 0
    return float((joint[some] * np.log(joint[some] / apart[some])).sum())


def class_means(images: list[np.ndarray], label_maps: list[np.ndarray], labels: int) -> np.ndarray:
    """Mean normalised intensity of each label over some subjects: (labels,); NaN if never seen."""
    sums, counts = np.zeros(labels), np.zeros(labels)
    for image, label in zip(images, label_maps, strict=True):
        sums += np.bincount(label.ravel(), normalise(image, label).ravel(), labels)
        counts += np.bincount(label.ravel(), minlength=labels)
    return np.divide(sums, counts, out=np.full(labels, np.nan), where=counts > 0)


def flicker(image: np.ndarray, label: np.ndarray, axis: int) -> float:
    """Mean |second difference| across slices of an axis inside the brain, in [0, 1] units.

    A network that draws slices one by one flickers along the axis that they are stacked on; held
    against the same figure of the real volume, it says by how much.
    """
    a = np.moveaxis(comparable_image(image, label), axis, 0)
    inside = np.moveaxis(label > 0, axis, 0)
    second = np.abs(a[2:] - 2 * a[1:-1] + a[:-2])
    return float(second[inside[2:] & inside[1:-1] & inside[:-2]].mean())


COLOURS = {"real": "black", "mean": "tab:blue", "cnn": "tab:red", "synthetic": "tab:red"}


LINES = {
    "x (left to right)": (2, "axial"),
    "y (back to front)": (1, "sagittal"),
    "z (down to up)": (0, "coronal"),
}
"""The axis of each profile, and the orientation of the slice that its line is shown in."""


def draw_intensity_profiles(
    subject: Subject, made: dict[str, np.ndarray], path: Path, title: str = ""
) -> None:
    """A PNG of intensities along the three axes, real and made, each beside the slices that its
    line is drawn in (figure 4b of Ayaz et al.).

    The lines meet in the middle from front to back and from top to bottom, and to the left of the
    midline, where the two hemispheres' gap would be all that they saw.
    """
    assert subject.image is not None
    box = tuple(grow_side(side, 4, 1) for side in bounding_box(subject.label))
    shown = {"real": subject.image, **made}
    shown = {
        name: cut(comparable_image(image, subject.label), box) for name, image in shown.items()
    }
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
