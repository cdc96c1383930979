"""Learning-rate schedules, and averages of weights."""

import pytest
import torch
from torch import nn

from factory.training.ema import update_ema
from factory.training.schedules import (
    constant_then_linear,
    cosine_after_half,
    linear_after_half,
)


def test_schedules_fall_as_they_say() -> None:
    steps = (0, 50, 75, 100)
    assert [cosine_after_half(s, 100) for s in steps] == pytest.approx([1, 1, 0.5, 0])
    assert [linear_after_half(s, 100) for s in steps] == pytest.approx([1, 1, 0.5, 0])
    assert [constant_then_linear(s, 50, 50) for s in steps] == pytest.approx([1, 1, 0.5, 0])
    assert constant_then_linear(7, 5, 0) <= 0


@pytest.mark.parametrize("copy_buffers", [True, False])
def test_an_average_follows_weights_and_takes_buffers_where_asked(copy_buffers: bool) -> None:
    torch.manual_seed(0)
    ema, network = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    nn.init.normal_(network.weight)
    network.running_mean.fill_(5.0)
    before = ema.weight.detach().clone()
    update_ema(ema, network, 0.9, copy_buffers=copy_buffers)
    torch.testing.assert_close(ema.weight, 0.9 * before + 0.1 * network.weight)
    assert bool((ema.running_mean == 5).all()) == copy_buffers
