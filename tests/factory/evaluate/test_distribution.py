"""FID, KID, precision and recall, where arithmetic says what they must be."""

import numpy as np
import pytest

from factory.errors import FactoryError
from factory.evaluate.distribution import fid, floor, judge, kid, precision_recall


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def with_moments(mean: np.ndarray, covariance: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n samples whose mean and covariance are exactly those."""
    x = rng(seed).normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_fid_is_that_of_the_gaussians() -> None:
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
    assert judge(few, many, rng())["fid"] is None
    assert judge(many, many, rng())["fid"] is not None


def test_kid_is_zero_on_average_within_one_distribution_and_grows_with_distance() -> None:
    values = [kid(rng(i).normal(size=(60, 8)), rng(99 + i).normal(size=(60, 8)), rng(i), 1)[0]
              for i in range(200)]  # fmt: skip
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)  # unbiased, so on either side
    near, far = (kid(rng(1).normal(size=(200, 8)), rng(2).normal(d, 1, (200, 8)), rng())[0]
                 for d in (0.3, 1.0))  # fmt: skip
    assert 0 < near < far


def test_kid_of_two_points_is_the_kernels() -> None:
    """x = {0, 0}, y = {e, e}: k(0, 0) = 1, k(e, e) = (1/d + 1)³, k(0, e) = 1."""
    x, y = np.zeros((2, 4)), np.eye(4)[[0, 0]]
    mean, sd = kid(x, y, rng(), 5)
    assert mean == pytest.approx(1 + 1.25**3 - 2)
    assert sd == pytest.approx(0, abs=1e-12)


def test_a_copy_of_the_set_has_all_precision_and_recall() -> None:
    x = rng().normal(size=(80, 16))
    assert precision_recall(x, x.copy()) == (1.0, 1.0)


def test_one_image_again_and_again_is_precise_and_recalls_next_to_nothing() -> None:
    x = rng().normal(size=(200, 16))
    precision, recall = precision_recall(x, np.repeat(x[:1], 200, axis=0))
    assert precision == 1.0
    assert recall == 1 / 200


def test_what_lies_far_away_is_neither() -> None:
    x = rng().normal(size=(50, 4))
    assert precision_recall(x, x + 100) == (0.0, 0.0)


def test_half_of_the_modes_is_half_the_recall() -> None:
    modes = np.concatenate([rng(1).normal(size=(100, 4)), rng(2).normal(50, 1, (100, 4))])
    made = rng(3).normal(size=(100, 4))
    precision, recall = precision_recall(modes, made)
    assert precision > 0.85
    assert 0.4 < recall <= 0.5


def test_the_floor_parts_subjects_not_slices() -> None:
    """Slices of a person are copies: were a person in both halves, recall would be 1."""
    people = rng().normal(size=(20, 6)) * 10
    features = np.repeat(people, 5, axis=0)
    owners = [f"p{i}" for i in range(20) for _ in range(5)]
    found = floor(features, owners, rng())
    assert found["real"] == found["made"] == 50
    assert found["recall"] == 0
    with pytest.raises(FactoryError, match="one subject"):
        floor(features[:5], owners[:5], rng())
