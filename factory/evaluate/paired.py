"""Scores of a synthetic volume against the real one of the same label map.

Both volumes are divided by their own 99.5th percentile inside the brain and clipped to [0, 1]
first. `inside` figures are over label > 0, `whole` ones over the whole array.
"""

import math

import numpy as np
from skimage.metrics import structural_similarity

from factory.intensities import normalise


def comparable(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    return np.clip(normalise(image, label), 0, 1)


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Voxelwise SSIM (Wang et al. 2004): Gaussian window, σ 1.5, 11 voxels a side, range 1."""
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
    """3D SSIM, MSE, PSNR (dB), correlation and the fetal paper's (2 SSIM + correlation) / 3.

    Arrays are [z, y, x] on one grid. in_real_units: both are divided by the real volume's 99.5th
    percentile, not each by its own. Keys: ssim, mse, psnr, corr, score inside the brain, and the
    same with the prefix whole_.
    """
    b = comparable(real, label)
    if in_real_units:
        a = np.clip(synthetic / np.percentile(real[label > 0], 99.5), 0, 1).astype(np.float32)
    else:
        a = comparable(synthetic, label)
    local = ssim_map(a, b)
    scores: dict[str, float] = {}
    for prefix, where in (("", label > 0), ("whole_", np.ones(label.shape, bool))):
        ssim = float(local[where].mean())
        corr = float(np.corrcoef(a[where], b[where])[0, 1])
        mse = float(np.square(a[where] - b[where]).mean())
        scores |= {
            f"{prefix}ssim": ssim,
            f"{prefix}mse": mse,
            f"{prefix}psnr": 10 * math.log10(1 / max(mse, 1e-12)),
            f"{prefix}corr": corr,
            f"{prefix}score": (2 * ssim + corr) / 3,
        }
    return scores


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
    a = np.moveaxis(comparable(image, label), axis, 0)
    inside = np.moveaxis(label > 0, axis, 0)
    second = np.abs(a[2:] - 2 * a[1:-1] + a[:-2])
    return float(second[inside[2:] & inside[1:-1] & inside[:-2]].mean())
