"""How near one set of images is to another, by their features: FID, KID, precision and recall.

Features are float arrays [image, feature]; nothing here draws pictures or loads networks. Figures
made with different extractors cannot be compared.
"""

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from factory.errors import FactoryError

SUBSETS = 100
SUBSET_SIZE = 1000
NEIGHBOURS = 3


def fid(real: np.ndarray, made: np.ndarray) -> float:
    """Fréchet distance of two Gaussians fitted to the features (Heusel et al. 2017):
    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½).

    Raises FactoryError where a set has fewer images than features: its Σ would be singular.
    """
    features = real.shape[1]
    if min(len(real), len(made)) < features:
        raise FactoryError(
            f"FID: {len(real)} real and {len(made)} made images; allowed: at least as many as "
            f"features, {features}"
        )
    mean = np.square(real.mean(0) - made.mean(0)).sum()
    one, two = (np.cov(x.astype(float), rowvar=False) for x in (real, made))
    # The eigenvalues of Σ₁ Σ₂ are those of Σ₁^½ Σ₂ Σ₁^½, which is symmetric.
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    common = np.sqrt(np.clip(np.linalg.eigvalsh(root @ two @ root), 0, None)).sum()
    return float(mean + np.trace(one) + np.trace(two) - 2 * common)


def kid(
    real: np.ndarray, made: np.ndarray, rng: np.random.Generator, subsets: int = SUBSETS
) -> tuple[float, float]:
    """Unbiased squared MMD with the kernel (x·y / d + 1)³, mean and sd over random subsets of
    min(1000, n) images (Bińkowski et al. 2018)."""
    size = min(SUBSET_SIZE, len(real), len(made))
    values = [
        _mmd(real[rng.permutation(len(real))[:size]], made[rng.permutation(len(made))[:size]])
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _mmd(x: np.ndarray, y: np.ndarray) -> float:
    n, d = x.shape
    x, y = x.astype(float), y.astype(float)
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (n * (n - 1))
    return float(within - 2 * xy.mean())


def precision_recall(
    real: np.ndarray, made: np.ndarray, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Share of made images within the real manifold, and of real ones within the made one
    (Kynkäänniemi et al. 2019): a manifold is the balls that reach each image's k-th nearest
    neighbour; what lies on a ball's edge is inside."""
    to_real = cdist(real, made)
    precision = (to_real <= _radii(real, neighbours)[:, None]).any(0).mean()
    recall = (to_real <= _radii(made, neighbours)).any(1).mean()
    return float(precision), float(recall)


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    apart = cdist(features, features)
    np.fill_diagonal(apart, np.inf)  # an image is no neighbour of itself
    return np.partition(apart, neighbours - 1, axis=1)[:, neighbours - 1]


def judge(real: np.ndarray, made: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """All of them: {"precision", "recall", "fid" (None where there are too few images), "kid",
    "kid_sd", "real", "made" (numbers of images)}."""
    precision, recall = precision_recall(real, made)
    mean, sd = kid(real, made, rng)
    enough = min(len(real), len(made)) >= real.shape[1]
    return {
        "precision": precision,
        "recall": recall,
        "fid": fid(real, made) if enough else None,
        "kid": mean,
        "kid_sd": sd,
        "real": len(real),
        "made": len(made),
    }


def floor(features: np.ndarray, owners: list[str], rng: np.random.Generator) -> dict[str, Any]:
    """What a perfect generator would get: real against real, its subjects split in half."""
    subjects = sorted(set(owners))
    if len(subjects) < 2:
        raise FactoryError(
            f"one subject ({subjects[0]}) cannot be split in half; allowed: 2 or more"
        )
    chosen = set(rng.permutation(subjects)[: len(subjects) // 2].tolist())
    first = np.array([owner in chosen for owner in owners])
    return judge(features[first], features[~first], rng)
