"""The distance between two sets of images: FID, KID, precision, recall, density and coverage.

All are computed from features, float arrays [image, feature]; nothing here reads images or loads
networks. Scores from different feature extractors cannot be compared. Distances are computed for
BLOCK images at a time, so that memory grows with the number of images and not with its square.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from factory.errors import FactoryError

SUBSETS = 100
"""Number of random subsets of KID."""

SUBSET_SIZE = 1000
"""Images of a subset of KID, if there are as many."""

NEIGHBOURS = 3
"""The k of precision and recall, as published."""

DENSE_NEIGHBOURS = 5
"""The k of density and coverage, as published."""

BLOCK = 1024
"""Images whose distances are computed at a time."""


class DistributionScores(TypedDict):
    """The scores of synthetic against real images; None where there are too few images.

    Attributes:
        precision: See `precision_recall`.
        recall: See `precision_recall`.
        density: See `density_coverage`.
        coverage: See `density_coverage`.
        fid: See `fid`.
        kid: The mean of `kid`.
        kid_sd: The standard deviation of `kid`; None if there is only one subset.
        real: Number of real images.
        made: Number of synthetic images.
    """

    precision: float | None
    recall: float | None
    density: float | None
    coverage: float | None
    fid: float | None
    kid: float | None
    kid_sd: float | None
    real: int
    made: int


def fid(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the Fréchet distance of two Gaussians fitted to the features (Heusel et al. 2017).

    It is |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½).

    Args:
        real: Features of real images, [image, feature].
        synthetic: Features of synthetic images, [image, feature].

    Raises:
        FactoryError: A set has fewer images than features, so its Σ would be singular.
    """
    features = real.shape[1]
    if min(len(real), len(synthetic)) < features:
        raise FactoryError(
            f"FID: {len(real)} real and {len(synthetic)} made images; allowed: at least as many as "
            f"features, {features}"
        )
    metric = FrechetInceptionDistance(feature=IdentityFeatures(features))
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(synthetic), real=False)
    return float(metric.compute())


class IdentityFeatures(torch.nn.Module):
    """A feature extractor for torchmetrics that returns its input, which is features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features as they are."""
        return features


def kid(
    real: np.ndarray, synthetic: np.ndarray, rng: np.random.Generator, subsets: int = SUBSETS
) -> tuple[float, float]:
    """Return the kernel inception distance (Bińkowski et al. 2018).

    It is the unbiased squared MMD with the kernel (x·y / d + 1)³. The subsets are drawn here, since
    torchmetrics would draw them from torch's global state.

    Args:
        real: Features of real images, [image, feature].
        synthetic: Features of synthetic images, [image, feature].
        rng: Source of the random subsets.
        subsets: Number of subsets, each of SUBSET_SIZE images or the smaller set's number.

    Returns:
        Mean and standard deviation over the subsets.
    """
    size = min(SUBSET_SIZE, len(real), len(synthetic))
    values = [
        float(poly_mmd(_random_subset(real, size, rng), _random_subset(synthetic, size, rng)))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _random_subset(features: np.ndarray, size: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw the features of some images without replacement."""
    return torch.from_numpy(features[rng.permutation(len(features))[:size]].astype(float))


def precision_recall(
    real: np.ndarray, synthetic: np.ndarray, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Return precision and recall (Kynkäänniemi et al. 2019).

    The manifold of a set is the union of balls around its images, each of which reaches the image's
    k-th nearest neighbour; the edge of a ball is inside.

    Args:
        real: Features of real images, [image, feature].
        synthetic: Features of synthetic images, [image, feature].
        neighbours: The k of the manifolds.

    Returns:
        The share of synthetic images inside the real manifold, and of real ones inside the
        synthetic manifold.
    """
    real_radii, synthetic_radii = _radii(real, neighbours), _radii(synthetic, neighbours)
    precise, recalled = np.zeros(len(synthetic), bool), np.zeros(len(real), bool)
    for rows, distances in _distance_blocks(real, synthetic):
        precise |= (distances <= real_radii[rows, None]).any(0)
        recalled[rows] = (distances <= synthetic_radii).any(1)
    return float(precise.mean()), float(recalled.mean())


def density_coverage(
    real: np.ndarray, synthetic: np.ndarray, neighbours: int = DENSE_NEIGHBOURS
) -> tuple[float, float]:
    """Return density and coverage (Naeem et al. 2020).

    For two sets of one distribution the density is 1 on average, and for sets of equal size the
    coverage is 1 − 2⁻ᵏ.

    Args:
        real: Features of real images, [image, feature].
        synthetic: Features of synthetic images, [image, feature].
        neighbours: The k of the balls, see `precision_recall`.

    Returns:
        The mean number of real images' balls that contain a synthetic image, divided by k; and the
        share of real images whose ball contains a synthetic one.
    """
    radii = _radii(real, neighbours)
    inside, covered = 0, np.zeros(len(real), bool)
    for rows, distances in _distance_blocks(real, synthetic):
        within = distances <= radii[rows, None]
        inside += int(within.sum())
        covered[rows] = within.any(1)
    return inside / (neighbours * len(synthetic)), float(covered.mean())


def _distance_blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the distances of all pairs, for some rows of x at a time."""
    for start in range(0, len(x), BLOCK):
        rows = slice(start, min(start + BLOCK, len(x)))
        yield rows, cdist(x[rows], y)


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the distance of each image to its k-th nearest neighbour."""
    radii = np.zeros(len(features))
    for rows, distances in _distance_blocks(features, features):
        index = np.arange(rows.start, rows.stop)
        distances[index - rows.start, index] = np.inf  # an image is not its own neighbour
        radii[rows] = np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1]
    return radii


def distribution_scores(
    real: np.ndarray, synthetic: np.ndarray, rng: np.random.Generator
) -> DistributionScores:
    """Compute all scores that the numbers of images allow; `remarks` says what is missing.

    Args:
        real: Features of real images, [image, feature].
        synthetic: Features of synthetic images, [image, feature].
        rng: Source of KID's random subsets.

    Raises:
        FactoryError: A feature is not finite.
    """
    for name, features in (("real", real), ("made", synthetic)):
        if bad := int((~np.isfinite(features).all(1)).sum()):
            raise FactoryError(f"features of {bad} of {len(features)} {name} images are not finite")
    fewest = min(len(real), len(synthetic))
    precision, recall = precision_recall(real, synthetic) if fewest > NEIGHBOURS else (None, None)
    density, coverage = (
        density_coverage(real, synthetic) if fewest > DENSE_NEIGHBOURS else (None, None)
    )
    kid_mean, kid_sd = _kid_or_none(real, synthetic, rng)
    return {
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "fid": fid(real, synthetic) if fewest >= real.shape[1] else None,
        "kid": kid_mean,
        "kid_sd": kid_sd,
        "real": len(real),
        "made": len(synthetic),
    }


def _kid_or_none(
    real: np.ndarray, synthetic: np.ndarray, rng: np.random.Generator
) -> tuple[float | None, float | None]:
    """Return mean and standard deviation of KID, None for what cannot be computed."""
    if max(len(real), len(synthetic)) <= SUBSET_SIZE and len(real) == len(synthetic) > 1:
        return kid(real, synthetic, rng, subsets=1)[0], None  # all subsets are the whole set
    if min(len(real), len(synthetic)) > 1:
        return kid(real, synthetic, rng)
    return None, None


def remarks(scores: Mapping[str, Any], features: int) -> list[str]:
    """Say which scores are missing for lack of images, and how KID was computed.

    Args:
        scores: A row with the numbers of images `real` and `made`, as in DistributionScores. `Any`,
            since rows of tables have other columns, too.
        features: Number of features of an image.
    """
    fewest = min(scores["real"], scores["made"])
    lines = []
    if fewest < features:
        lines.append(f"FID left out: {fewest} images, fewer than the {features} features")
    if fewest < 2:
        lines.append(f"KID left out: {fewest} images; it takes two or more")
    elif fewest < SUBSET_SIZE:
        lines.append(
            f"KID of subsets of {fewest} images, all that the smaller set has, not of 1000"
        )
    if fewest <= DENSE_NEIGHBOURS:
        few = "precision, recall, " if fewest <= NEIGHBOURS else ""
        lines.append(f"{few}density and coverage left out: {fewest} images are too few neighbours")
    return lines


def split_half_scores(
    features: np.ndarray, owners: list[str], rng: np.random.Generator
) -> DistributionScores:
    """Score one random half of the subjects against the other: what a perfect generator would get.

    Args:
        features: Features of real images, [image, feature].
        owners: The subject of each image.
        rng: Source of the random split.

    Raises:
        FactoryError: There is only one subject.
    """
    subjects = sorted(set(owners))
    if len(subjects) < 2:
        raise FactoryError(
            f"one subject ({subjects[0]}) cannot be split in half; allowed: 2 or more"
        )
    half = set(rng.permutation(subjects)[: len(subjects) // 2].tolist())
    in_half = np.array([owner in half for owner in owners])
    return distribution_scores(features[in_half], features[~in_half], rng)
