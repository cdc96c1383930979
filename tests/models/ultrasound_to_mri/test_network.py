"""The networks of ultrasound to MR: shapes, what depends on what, attention as in its equation."""

import pytest
import torch

from factory.models.ultrasound_to_mri.network import (
    Backward,
    CrossModalAttention,
    Discriminator,
    UltrasoundToMri,
    UltrasoundToMriConfig,
)

SMALL = {"width": 4, "depth": 3, "most": 16}


@pytest.mark.parametrize(
    "switches", [{}, {"attention": False}, {"skips": False}, {"attention": False, "skips": False}]
)
def test_shapes_of_images_and_latents(switches: dict[str, bool]) -> None:
    config = UltrasoundToMriConfig(**SMALL, **switches)
    us = torch.rand(2, 1, 32, 48) * 2 - 1
    mri, again, latent = UltrasoundToMri(config)(us)
    assert mri.shape == again.shape == us.shape
    assert latent.shape == (2, 16, 4, 6)
    assert mri.abs().max() <= 1
    back, latent_back = Backward(config)(mri)
    assert back.shape == us.shape
    assert latent_back.shape == latent.shape


def test_attention_is_its_equation_and_begins_as_none() -> None:
    attention = CrossModalAttention(6)
    us, mri = torch.randn(2, 6, 4, 5), torch.randn(2, 6, 4, 5)
    assert torch.equal(attention(us, mri), mri)
    torch.nn.init.normal_(attention.eta.weight)
    attended = attention(us, mri)
    delta, phi, g = (
        layer(x).flatten(2)
        for layer, x in ((attention.delta, us), (attention.phi, us), (attention.g, mri))
    )
    # with the N × N matrix of the paper: how much pixel i heeds pixel j
    heeded = delta.mT @ phi / 20
    guided = torch.einsum("bij,bcj->bci", heeded, g).unflatten(2, (4, 5))
    torch.testing.assert_close(attended, attention.eta(guided) + mri)


def test_guidance_reaches_every_pixel_and_comes_from_the_ultrasound() -> None:
    attention = CrossModalAttention(3)
    torch.nn.init.normal_(attention.eta.weight)
    us, mri = torch.randn(1, 3, 4, 4, requires_grad=True), torch.randn(1, 3, 4, 4)
    attention(us, mri)[0, 0, 0, 0].backward()
    assert us.grad is not None
    assert (us.grad.abs().sum(1) > 0).all()


def test_a_discriminator_scores_patches_and_knows_their_places() -> None:
    judge = Discriminator(1, 4)
    assert judge(torch.rand(2, 1, 64, 64)).shape == (2, 1, 7, 7)
    flat = judge(torch.zeros(1, 1, 64, 64))[0, 0]
    assert flat[3, 3] != flat[3, 4]
    assert torch.allclose(flat, judge(torch.zeros(1, 1, 64, 64))[0, 0])
    convolutions = [m for m in judge.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 4
    assert Discriminator(8, 4, latent=True)(torch.rand(2, 8, 8, 8)).shape == (2, 1, 8, 8)
