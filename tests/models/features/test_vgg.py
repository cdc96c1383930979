"""Pretrained features, where the package that carries them is installed."""

import pytest
import torch

from factory.models.checkpoint import WeightsError
from factory.models.features.vgg import VggFeatures, perceptual, weights_file


def features() -> VggFeatures:
    try:
        return VggFeatures(weights_file())
    except WeightsError as error:
        pytest.skip(str(error))


def test_five_stages_each_half_the_size_and_a_loss_that_knows_the_nearer_image() -> None:
    vgg = features()
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    shapes = [tuple(f.shape[1:]) for f in vgg(ramp)]
    assert [c for c, _, _ in shapes] == [64, 128, 256, 512, 512]
    assert all(abs(h - 64 / 2**i) <= 3 for i, (_, h, _) in enumerate(shapes))
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    near, far = ((ramp + s * noise).requires_grad_() for s in (0.05, 0.5))
    assert perceptual(vgg, ramp, ramp) == 0
    loss = perceptual(vgg, near, ramp)
    assert 0 < loss < perceptual(vgg, far, ramp)
    loss.backward()
    assert near.grad is not None
    assert all(p.grad is None for p in vgg.parameters())
