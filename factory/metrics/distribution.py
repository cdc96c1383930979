"""How near one set of images is to another, by their features: FID, KID, precision and recall,
density and coverage.

Features are float arrays [image, feature]; nothing here draws pictures or loads networks. Figures
made with different extractors cannot be compared. Distances are taken BLOCK images at a time, so
that memory grows with the number of images, not with its square.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from factory.errors import FactoryError

SUBSETS = 100
SUBSET_SIZE = 1000
NEIGHBOURS = 3
"""Of precision and recall: as published."""

DENSE_NEIGHBOURS = 5
"""Of density and coverage: as published."""

BLOCK = 1024


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
    metric = FrechetInceptionDistance(feature=IdentityFeatures(features))
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(made), real=False)
    return float(metric.compute())


class IdentityFeatures(torch.nn.Module):
    """Tells torchmetrics that what it is given are features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def kid(
    real: np.ndarray, made: np.ndarray, rng: np.random.Generator, subsets: int = SUBSETS
) -> tuple[float, float]:
    """Unbiased squared MMD with the kernel (x·y / d + 1)³, mean and sd over random subsets of
    min(1000, n) images (Bińkowski et al. 2018). The subsets are ours: torchmetrics draws its own
    from torch's global state."""
    size = min(SUBSET_SIZE, len(real), len(made))
    values = [
        float(poly_mmd(_drawn(real, size, rng), _drawn(made, size, rng))) for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _drawn(features: np.ndarray, size: int, rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(features[rng.permutation(len(features))[:size]].astype(float))


def precision_recall(
    real: np.ndarray, made: np.ndarray, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Share of made images within the real manifold, and of real ones within the made one
    (Kynkäänniemi et al. 2019): a manifold is the balls that reach each image's k-th nearest
    neighbour; what lies on a ball's edge is inside."""
    of_real, of_made = _radii(real, neighbours), _radii(made, neighbours)
    precise, recalled = np.zeros(len(made), bool), np.zeros(len(real), bool)
    for rows, apart in _distances(real, made):
        precise |= (apart <= of_real[rows, None]).any(0)
        recalled[rows] = (apart <= of_made).any(1)
    return float(precise.mean()), float(recalled.mean())


def density_coverage(
    real: np.ndarray, made: np.ndarray, neighbours: int = DENSE_NEIGHBOURS
) -> tuple[float, float]:
    """How many real images' balls a made one lies in, over k, and the share of real images whose
    ball holds a made one (Naeem et al. 2020). Of one distribution they are on average 1, and for
    sets of one size 1 − 2⁻ᵏ."""
    radii = _radii(real, neighbours)
    inside, covered = 0, np.zeros(len(real), bool)
    for rows, apart in _distances(real, made):
        within = apart <= radii[rows, None]
        inside += int(within.sum())
        covered[rows] = within.any(1)
    return inside / (neighbours * len(made)), float(covered.mean())


def _distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Distances of all pairs, some rows of x at a time."""
    for start in range(0, len(x), BLOCK):
        rows = slice(start, min(start + BLOCK, len(x)))
        yield rows, cdist(x[rows], y)


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    radii = np.zeros(len(features))
    for rows, apart in _distances(features, features):
        own = np.arange(rows.start, rows.stop)
        apart[own - rows.start, own] = np.inf  # an image is no neighbour of itself
        radii[rows] = np.partition(apart, neighbours - 1, axis=1)[:, neighbours - 1]
    return radii


def distribution_scores(
    real: np.ndarray, made: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """All of them: {"precision", "recall", "density", "coverage", "fid", "kid", "kid_sd", "real",
    "made" (numbers of images)}; None for what so few images do not allow: see `remarks`.

    Raises FactoryError where a feature is not finite.
    """
    for name, features in (("real", real), ("made", made)):
        if bad := int((~np.isfinite(features).all(1)).sum()):
            raise FactoryError(f"features of {bad} of {len(features)} {name} images are not finite")
    fewest = min(len(real), len(made))
    precise = precision_recall(real, made) if fewest > NEIGHBOURS else (None, None)
    dense = density_coverage(real, made) if fewest > DENSE_NEIGHBOURS else (None, None)
    mean: float | None = None
    sd: float | None = None
    if max(len(real), len(made)) <= SUBSET_SIZE and len(real) == len(made) > 1:
        mean, _ = kid(real, made, rng, subsets=1)  # every subset is all of them
    elif fewest > 1:
        mean, sd = kid(real, made, rng)
    return {
        "precision": precise[0],
        "recall": precise[1],
        "density": dense[0],
        "coverage": dense[1],
        "fid": fid(real, made) if fewest >= real.shape[1] else None,
        "kid": mean,
        "kid_sd": sd,
        "real": len(real),
        "made": len(made),
    }


def remarks(scores: dict[str, Any], features: int) -> list[str]:
    """What too few images kept `judge` from, and what was done instead."""
    fewest = min(scores["real"], scores["made"])
    said = []
    if fewest < features:
        said.append(f"FID left out: {fewest} images, fewer than the {features} features")
    if fewest < 2:
        said.append(f"KID left out: {fewest} images; it takes two or more")
    elif fewest < SUBSET_SIZE:
        said.append(f"KID of subsets of {fewest} images, all that the smaller set has, not of 1000")
    if fewest <= DENSE_NEIGHBOURS:
        few = "precision, recall, " if fewest <= NEIGHBOURS else ""
        said.append(f"{few}density and coverage left out: {fewest} images are too few neighbours")
    return said


def split_half_scores(
    features: np.ndarray, owners: list[str], rng: np.random.Generator
) -> dict[str, Any]:
    """What a perfect generator would get: real against real, its subjects split in half."""
    subjects = sorted(set(owners))
    if len(subjects) < 2:
        raise FactoryError(
            f"one subject ({subjects[0]}) cannot be split in half; allowed: 2 or more"
        )
    chosen = set(rng.permutation(subjects)[: len(subjects) // 2].tolist())
    first = np.array([owner in chosen for owner in owners])
    return distribution_scores(features[first], features[~first], rng)
