"""Losses against figures worked out by hand."""

import math

import pytest
import torch

from factory.models.losses import (
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    kl_divergence,
)


def scores(*values: float) -> list[list[torch.Tensor]]:
    return [[torch.tensor([v])] for v in values]


def test_hinge_is_zero_beyond_the_margin_and_linear_before_it() -> None:
    assert hinge_discriminator(scores(1.5, 2.0), scores(-1.0, -3.0)).item() == 0
    # Scale 1: relu(1 − 0.5) + relu(1 − 0.5) = 1; scale 2: relu(1 + 1) + relu(1 + 1) = 4.
    assert hinge_discriminator(scores(0.5, -1.0), scores(-0.5, 1.0)).item() == pytest.approx(2.5)
    assert hinge_generator(scores(0.5, -1.5)).item() == pytest.approx(0.5)


def test_feature_matching_sums_layers_averages_scales_and_leaves_scores_out() -> None:
    real = [[torch.zeros(2), torch.zeros(2), torch.full((1,), 9.0)]] * 2
    fake = [[torch.ones(2), torch.full((2,), 2.0), torch.zeros(1)]] * 2
    assert feature_matching(real, fake).item() == pytest.approx(3.0)


def test_no_gradient_reaches_the_real_features() -> None:
    real = torch.zeros(2, requires_grad=True)
    fake = torch.ones(2, requires_grad=True)
    feature_matching([[real, real]], [[fake, fake]]).backward()
    assert real.grad is None
    assert fake.grad is not None


def test_kl_of_a_gaussian_against_the_closed_form() -> None:
    mu, variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.25, 2.0]])
    expected = sum(
        0.5 * (v + m * m - 1 - math.log(v))
        for m, v in zip(mu[0].tolist(), variance[0].tolist(), strict=True)
    )
    assert kl_divergence(mu, variance.log()).item() == pytest.approx(expected, rel=1e-5)
    assert kl_divergence(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0
