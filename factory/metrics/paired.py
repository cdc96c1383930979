"""Scores of a synthetic volume against the real volume with the same label map.

Both volumes are first divided by their own 99.5th percentile inside the brain and clipped to
[0, 1]. Undefined scores are NaN: the correlation of a constant image, or SSIM if a side is shorter
than its window.
"""

import math

import numpy as np
from skimage.metrics import structural_similarity

from factory.errors import FactoryError
from factory.imaging.intensities import intensity_span, intensity_zero, normalise
from factory.imaging.orientations import AXES

WINDOW = 11
"""Voxels on each side of SSIM's Gaussian window."""

BINS = 32
"""Bins of each image's intensities for the mutual information."""

LEAST = 0.05
"""The least tissue of a slice that is scored, relative to the slice with most tissue."""

SCORES = ("ssim", "mse", "psnr", "corr", "mi", "score")
"""The names of the scores: the last one is the fetal paper's (2 SSIM + correlation) / 3."""


def comparable_image(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return an image divided by its unit of intensity and clipped to [0, 1], float32.

    Args:
        image: The image, in any unit.
        label: Its label map; the unit is measured where it is above 0. If the image is dark
            there, the result is 0 everywhere.
    """
    if not (label > 0).any() or intensity_span(image, label) <= 0:
        return np.zeros(image.shape, np.float32)
    clipped: np.ndarray = np.clip(normalise(image, label), 0, 1)
    return clipped


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the SSIM of each voxel (Wang et al. 2004): Gaussian window, σ = 1.5, data range 1."""
    if min(a.shape) < WINDOW:
        return np.full(a.shape, np.nan)
    _, ssim = structural_similarity(
        a.astype(np.float64),
        b.astype(np.float64),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return np.asarray(ssim)


def paired_scores(
    synthetic: np.ndarray, real: np.ndarray, label: np.ndarray, in_real_units: bool = False
) -> dict[str, float]:
    """Score a synthetic volume against the real one, in 3D.

    Args:
        synthetic: The synthetic volume, [z, y, x].
        real: The real volume on the same grid.
        label: The label map on the same grid.
        in_real_units: Divide both volumes by the real one's unit of intensity, and not each by
            its own.

    Returns:
        SCORES inside the brain (label > 0), and over the whole array with the prefix "whole_".
        PSNR is in dB, mutual information in nats.

    Raises:
        FactoryError: The grids differ.
    """
    a, b = comparable_pair(synthetic, real, label, in_real_units)
    inside = image_scores(a, b, label > 0)
    everywhere = image_scores(a, b, np.ones(label.shape, bool))
    return {**inside, **{f"whole_{name}": value for name, value in everywhere.items()}}


def slice_scores(
    synthetic: np.ndarray, real: np.ndarray, label: np.ndarray, orientation: str
) -> dict[str, float]:
    """Score a synthetic volume against the real one slice by slice, inside the brain.

    Args:
        synthetic: The synthetic volume, [z, y, x].
        real: The real volume on the same grid.
        label: The label map on the same grid.
        orientation: The orientation of the slices.

    Returns:
        The means of SCORES over the slices with at least LEAST of the fullest slice's tissue.
    """
    pair = comparable_pair(synthetic, real, label)
    stacks = [np.moveaxis(v, AXES[orientation], 0) for v in (*pair, label > 0)]
    areas = stacks[2].sum(axis=(1, 2))
    scores = [
        image_scores(*planes)
        for planes, area in zip(zip(*stacks, strict=True), areas, strict=True)
        if area and area >= LEAST * areas.max()
    ]
    if not scores:
        return dict.fromkeys(SCORES, math.nan)
    return {name: float(np.mean([s[name] for s in scores])) for name in SCORES}


def comparable_pair(
    synthetic: np.ndarray, real: np.ndarray, label: np.ndarray, in_real_units: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the synthetic and the real volume as they are compared; see `paired_scores`."""
    if not synthetic.shape == real.shape == label.shape:
        raise FactoryError(
            f"grids differ: synthetic {synthetic.shape}, real {real.shape}, labels {label.shape}; "
            "allowed: one shape"
        )
    comparable_real = comparable_image(real, label)
    if not in_real_units:
        # Whatever is below 0 in a synthetic image is noise: its 0 is dark already.
        return comparable_image(np.maximum(synthetic, 0), label), comparable_real
    zero, span = intensity_zero(real, label), intensity_span(real, label)
    return np.clip((synthetic - zero) / span, 0, 1).astype(np.float32), comparable_real


def image_scores(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return SCORES of two images in [0, 1], of any number of dimensions, inside a mask."""
    if not mask.any():
        return dict.fromkeys(SCORES, math.nan)
    ssim = float(ssim_map(a, b)[mask].mean())
    mse = float(np.square(a[mask] - b[mask]).mean())
    corr = correlation(a[mask], b[mask])
    return {
        "ssim": ssim,
        "mse": mse,
        "psnr": 10 * math.log10(1 / max(mse, 1e-12)),
        "corr": corr,
        "mi": mutual_information(a[mask], b[mask]),
        "score": (2 * ssim + corr) / 3,
    }


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of two arrays; NaN if one of them is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def mutual_information(a: np.ndarray, b: np.ndarray, bins: int = BINS) -> float:
    """Return the mutual information of two arrays of intensities in [0, 1], in nats.

    It is estimated from a joint histogram, and therefore depends on the number of bins: for n
    independent values it is about (bins − 1)² / 2n, not 0.
    """
    joint, _, _ = np.histogram2d(a, b, bins, ((0, 1), (0, 1)))
    joint = joint / joint.sum()
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    positive = joint > 0
    return float((joint[positive] * np.log(joint[positive] / independent[positive])).sum())


def class_means(images: list[np.ndarray], label_maps: list[np.ndarray], labels: int) -> np.ndarray:
    """Return the mean normalised intensity of each label over all subjects.

    Args:
        images: The subjects' images, in any unit.
        label_maps: Their label maps.
        labels: Number of labels, with the background.

    Returns:
        The means, [label]; NaN for a label that no subject has.
    """
    sums, counts = np.zeros(labels), np.zeros(labels)
    for image, label in zip(images, label_maps, strict=True):
        sums += np.bincount(label.ravel(), normalise(image, label).ravel(), labels)
        counts += np.bincount(label.ravel(), minlength=labels)
    means: np.ndarray = np.divide(sums, counts, out=np.full(labels, np.nan), where=counts > 0)
    return means


def flicker_ratios(image: np.ndarray, real: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Return an image's flicker along z, y and x relative to the real image's: 1 is as smooth.

    Returns:
        flicker_z, flicker_y and flicker_x; NaN where the real image does not change, or the volume
        has fewer than three slices.
    """
    ratios = {}
    for axis, name in enumerate("zyx"):
        below = 0.0 if label.shape[axis] < 3 else flicker(real, label, axis)
        ratios[f"flicker_{name}"] = flicker(image, label, axis) / below if below else math.nan
    return ratios


def flicker(image: np.ndarray, label: np.ndarray, axis: int) -> float:
    """Return the mean |second difference| along an axis inside the brain.

    A network that paints slice by slice flickers along the axis on which the slices are stacked.
    The ratio to the real volume's value says by how much.

    Args:
        image: The volume [z, y, x], in any unit.
        label: Its label map.
        axis: The axis of the differences.
    """
    stack = np.moveaxis(comparable_image(image, label), axis, 0)
    inside = np.moveaxis(label > 0, axis, 0)
    difference = np.abs(stack[2:] - 2 * stack[1:-1] + stack[:-2])
    return float(difference[inside[2:] & inside[1:-1] & inside[:-2]].mean())
