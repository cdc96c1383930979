"""FID, KID, precision, recall, density and coverage of features whose scores are known."""

import numpy as np
import pytest

from factory.errors import FactoryError
from factory.metrics import distribution
from factory.metrics.distribution import (
    density_coverage,
    distribution_scores,
    fid,
    kid,
    precision_recall,
    remarks,
    split_half_scores,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def with_moments(mean: np.ndarray, covariance: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw n samples whose mean and covariance are exactly the given ones."""
    x = rng(seed).normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_fid_is_the_distance_of_the_gaussians() -> None:
    a = with_moments(np.zeros(4), np.eye(4), 50, 1)
    b = with_moments(np.array([3.0, 0, 0, 4]), 4 * np.eye(4), 60, 2)
    assert fid(a, b) == pytest.approx(25 + 4 * (1 + 4 - 2 * 2))
    assert fid(a, a) == pytest.approx(0, abs=1e-8)
    turned = np.array([[5.0, 4], [4, 5]])  # eigenvalues 9 and 1, its axes not the other's
    c, d = (
        with_moments(np.zeros(2), np.diag([4.0, 1]), 40, 3),
        with_moments(np.zeros(2), turned, 40, 4),
    )
    product = np.diag([4.0, 1]) @ turned
    expected = 5 + 10 - 2 * np.sqrt(np.linalg.eigvals(product)).sum()
    assert fid(c, d) == pytest.approx(float(expected))


def test_fid_needs_as_many_samples_as_features() -> None:
    few, many = rng().normal(size=(7, 8)), rng().normal(size=(9, 8))
    for pair in ((few, many), (many, few)):
        with pytest.raises(FactoryError, match="at least as many as features, 8"):
            fid(*pair)
    assert distribution_scores(few, many, rng())["fid"] is None
    assert distribution_scores(many, many, rng())["fid"] is not None


def test_kid_is_zero_on_average_within_one_distribution_and_grows_with_distance() -> None:
    values = [kid(rng(i).normal(size=(60, 8)), rng(99 + i).normal(size=(60, 8)), rng(i), 1)[0]
              for i in range(200)]  # fmt: skip
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)  # unbiased, so on either side
    near, far = (kid(rng(1).normal(size=(200, 8)), rng(2).normal(d, 1, (200, 8)), rng())[0]
                 for d in (0.3, 1.0))  # fmt: skip
    assert 0 < near < far


def test_kid_of_two_points_follows_from_the_kernel() -> None:
    """x = {0, 0}, y = {e, e}: k(0, 0) = 1, k(e, e) = (1/d + 1)³, k(0, e) = 1."""
    x, y = np.zeros((2, 4)), np.eye(4)[[0, 0]]
    mean, sd = kid(x, y, rng(), 5)
    assert mean == pytest.approx(1 + 1.25**3 - 2)
    assert sd == pytest.approx(0, abs=1e-12)


def test_a_copy_of_the_set_has_precision_and_recall_1() -> None:
    x = rng().normal(size=(80, 16))
    assert precision_recall(x, x.copy()) == (1.0, 1.0)


def test_one_repeated_image_has_high_precision_and_low_recall() -> None:
    x = rng().normal(size=(200, 16))
    precision, recall = precision_recall(x, np.repeat(x[:1], 200, axis=0))
    assert precision == 1.0
    assert recall == 1 / 200


def test_distant_images_have_precision_and_recall_0() -> None:
    x = rng().normal(size=(50, 4))
    assert precision_recall(x, x + 100) == (0.0, 0.0)


def test_half_of_the_modes_gives_half_of_the_recall() -> None:
    modes = np.concatenate([rng(1).normal(size=(100, 4)), rng(2).normal(50, 1, (100, 4))])
    synthetic = rng(3).normal(size=(100, 4))
    precision, recall = precision_recall(modes, synthetic)
    assert precision > 0.85
    assert 0.4 < recall <= 0.5


def test_split_half_scores_split_subjects_and_not_slices() -> None:
    """Slices of a person are copies here. If a person were in both halves, recall would be 1."""
    people = rng().normal(size=(20, 6)) * 10
    features = np.repeat(people, 5, axis=0)
    owners = [f"p{i}" for i in range(20) for _ in range(5)]
    scores = split_half_scores(features, owners, rng())
    assert scores["real"] == scores["made"] == 50
    assert scores["recall"] == 0
    with pytest.raises(FactoryError, match="one subject"):
        split_half_scores(features[:5], owners[:5], rng())


def test_a_copy_of_the_set_has_coverage_1_and_the_same_density() -> None:
    x = rng().normal(size=(80, 16))
    density, coverage = density_coverage(x, x.copy())
    assert coverage == 1
    assert density == pytest.approx((5 + 1) / 5)  # each image's ball holds itself and k others


def test_density_and_coverage_of_one_distribution_have_their_expected_values() -> None:
    """Naeem et al. 2020, section 3.3: 1, and 1 − (N − 1)…(N − k) / ((M + N − 1)…(M + N − k))."""
    values = [density_coverage(rng(i).normal(size=(120, 4)), rng(500 + i).normal(size=(90, 4)))
             for i in range(60)]  # fmt: skip
    density, coverage = np.mean(values, axis=0)
    n, m = 120, 90
    expected = 1 - np.prod([(n - i) / (m + n - i) for i in range(1, 6)])
    errors = np.std(values, axis=0) / np.sqrt(len(values))
    assert abs(density - 1) < 3 * errors[0]
    assert abs(coverage - expected) < 3 * errors[1]


def test_one_real_outlier_raises_precision_but_not_density() -> None:
    """Naeem et al. 2020, figure 2: the ball of an outlier is large, but counts only once."""
    real = np.concatenate([rng(1).normal(size=(99, 4)), np.full((1, 4), 8.0)])
    synthetic = rng(2).normal(4, 0.3, (100, 4))
    assert precision_recall(real, synthetic)[0] == 1
    assert density_coverage(real, synthetic)[0] < 0.3


def test_the_size_of_blocks_does_not_change_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rng(1).normal(size=(70, 3)), rng(2).normal(0.5, 1, (50, 3))
    expected = precision_recall(x, y), density_coverage(x, y)
    monkeypatch.setattr(distribution, "BLOCK", 16)
    assert (precision_recall(x, y), density_coverage(x, y)) == expected


@pytest.mark.parametrize("few", [1, 3, 5])
def test_remarks_say_what_is_missing_for_lack_of_images(few: int) -> None:
    x, y = rng(1).normal(size=(few, 3)), rng(2).normal(size=(40, 3))
    scores = distribution_scores(x, y, rng())
    assert scores["coverage"] is None
    assert (scores["precision"] is None) == (few <= 3)
    assert (scores["kid"] is None) == (few < 2)
    text = " ".join(remarks(scores, 3))
    assert "density and coverage left out" in text
    assert ("FID left out" in text) == (few < 3)
    assert remarks({"real": 2000, "made": 2000}, 512) == []
    assert "subsets of 40 images" in remarks({"real": 40, "made": 90}, 8)[0]


def test_features_that_are_not_finite_are_refused() -> None:
    x = rng().normal(size=(9, 2))
    x[4, 1] = np.nan
    with pytest.raises(FactoryError, match="features of 1 of 9 made images are not finite"):
        distribution_scores(rng().normal(size=(9, 2)), x, rng())


def test_constant_images_can_be_scored() -> None:
    scores = distribution_scores(rng().normal(size=(20, 3)), np.ones((20, 3)), rng())
    assert scores["recall"] == 0
    assert scores["fid"] > 0
