"""The fusion rules, held against a slow reading of the paper's listing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from factory.models import fusion_rules as fusion

TRIPLES = arrays(
    np.float64, (3, 4), elements=st.floats(-1, 1, allow_subnormal=False).map(lambda v: round(v, 3))
)


@given(TRIPLES, st.sampled_from([0.5, 2.0]))
def test_outlier_rejection_is_the_papers_rule(values: np.ndarray, m: float) -> None:
    fused = fusion.reject_outliers(torch.from_numpy(values), m).numpy()
    for column, result in zip(values.T, fused, strict=True):
        median = sorted(column)[1]
        distances = [abs(v - median) for v in column]
        deviation = sorted(distances)[1] + 1e-4
        accepted = [
            v if d / deviation < m else median for v, d in zip(column, distances, strict=True)
        ]
        assert result == pytest.approx(sum(accepted) / 3, abs=1e-9)


@given(TRIPLES)
def test_closest_two_averages_a_closest_pair(values: np.ndarray) -> None:
    fused = fusion.closest_two(torch.from_numpy(values)).numpy()
    for column, result in zip(values.T, fused, strict=True):
        pairs = [
            (abs(a - b), (a + b) / 2) for a, b in (column[[0, 1]], column[[0, 2]], column[[1, 2]])
        ]
        nearest = min(distance for distance, _ in pairs)
        means = [mean for distance, mean in pairs if distance <= nearest + 1e-9]
        assert min(abs(result - mean) for mean in means) < 1e-9


@given(TRIPLES, st.permutations(range(3)))
def test_the_order_of_the_orientations_does_not_matter(
    values: np.ndarray, order: list[int]
) -> None:
    one, two = torch.from_numpy(values), torch.from_numpy(values[order])
    for rule in ("mean", "closest_two", {"reject_outliers": {"m": 2.0}}):
        torch.testing.assert_close(fusion.fuse(one, rule), fusion.fuse(two, rule))
    torch.testing.assert_close(fusion.disagreement(one), fusion.disagreement(two))


def test_equal_volumes_fuse_to_themselves_and_do_not_disagree() -> None:
    volume = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    same = volume.expand(3, -1, -1)
    for rule in ("mean", "closest_two", {"reject_outliers": {"m": 0.5}}):
        torch.testing.assert_close(fusion.fuse(same, rule), volume)
    assert fusion.disagreement(same).max() == 0


@pytest.mark.parametrize("rule", ["median", {"reject_outliers": {"m": 0}}])
def test_what_is_no_rule_is_refused(rule: object) -> None:
    with pytest.raises(ValueError, match=r"m is 0|fusion 'median'"):
        fusion.fuse(torch.zeros(3, 2), rule)  # type: ignore[arg-type]
