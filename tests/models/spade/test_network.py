"""SPADE: its shapes, its widths, its equation, and what its output may depend on."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.spade.network import (
    MultiScaleDiscriminator,
    Spade,
    SpadeConfig,
    SpadeGenerator,
    StyleEncoder,
    initialise,
    one_hot,
)

SMALL = SpadeConfig(labels=5, width=2, hidden=4)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(*shape: int, seed: int = 0) -> torch.Tensor:
    return one_hot(torch.randint(0, 5, shape, generator=rng(seed)), 5)


@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 4), width=st.integers(1, 4), batch=st.integers(1, 3))
def test_images_have_the_labels_size_and_lie_in_range(height: int, width: int, batch: int) -> None:
    generator = SpadeGenerator(SMALL).eval()
    image = generator(labels(batch, 32 * height, 32 * width))
    assert image.shape == (batch, 1, 32 * height, 32 * width)
    assert image.abs().max() <= 1


def test_a_size_that_is_no_multiple_of_the_stride_is_refused() -> None:
    with pytest.raises(ValueError, match=r"48×64.*multiples of 32"):
        SpadeGenerator(SMALL)(labels(1, 48, 64))


def test_parameters_are_those_of_the_published_layer_table() -> None:
    """At nf 64 the generator without its latent layer has about 93 M parameters (Park et al.)."""
    with torch.device("meta"):
        generator = SpadeGenerator(SpadeConfig(labels=8, width=64, hidden=128))
        discriminator = MultiScaleDiscriminator(8, width=64)
    count = sum(p.numel() for p in generator.parameters()) / 1e6
    # 109 M less the 256 × (16·64·8·8) linear layer of the latent, which sits here in one column.
    assert count == pytest.approx(109 - 16.8, rel=0.02)
    assert sum(p.numel() for p in discriminator.parameters()) / 1e6 == pytest.approx(5.5, rel=0.05)


def test_spade_is_normalisation_then_scale_and_shift_by_the_labels() -> None:
    """Equation 1 of the paper, computed again from its parts."""
    spade = Spade(6, SpadeConfig(labels=5, hidden=4, norm="instance"))
    x, onehot = torch.randn(2, 6, 32, 32, generator=rng()), labels(2, 32, 32)
    mean = x.mean((2, 3), keepdim=True)
    deviation = (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    gamma, beta = spade.modulation(onehot)
    expected = (x - mean) / deviation * (1 + gamma) + beta
    torch.testing.assert_close(spade(x, onehot), expected, atol=1e-5, rtol=1e-5)


def test_modulation_depends_on_the_five_by_five_labels_about_a_pixel_only() -> None:
    spade = Spade(6, SMALL)
    one, two = labels(1, 32, 32, seed=1), labels(1, 32, 32, seed=2)
    two[..., 8:13, 8:13] = one[..., 8:13, 8:13]
    for a, b in zip(spade.modulation(one), spade.modulation(two), strict=True):
        torch.testing.assert_close(a[..., 10, 10], b[..., 10, 10])
        assert not torch.allclose(a[..., 20, 20], b[..., 20, 20])


def test_at_inference_a_slice_does_not_depend_on_the_others_of_its_batch() -> None:
    generator = SpadeGenerator(SMALL).eval()
    batch = labels(3, 64, 64)
    alone = torch.cat([generator(batch[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(generator(batch), alone, atol=1e-5, rtol=1e-4)


def test_a_latent_generator_needs_its_style_and_follows_it() -> None:
    generator = SpadeGenerator(SpadeConfig(labels=5, width=2, hidden=4, latent=8)).eval()
    onehot = labels(1, 64, 64)
    with pytest.raises(ValueError, match="style"):
        generator(onehot)
    one, two = (generator(onehot, torch.randn(1, 8, generator=rng(s)) * 5) for s in (1, 2))
    assert not torch.allclose(one, two)
    mu, logvar = StyleEncoder(8, 2)(one)
    assert mu.shape == logvar.shape == (1, 8)


def test_the_second_scale_of_the_discriminator_sees_half_the_image() -> None:
    discriminator = MultiScaleDiscriminator(5, width=4)
    scales = discriminator(labels(2, 64, 96), torch.zeros(2, 1, 64, 96))
    assert [len(features) for features in scales] == [5, 5]
    full, half = (features[0].shape[-2:] for features in scales)
    assert full == (33, 49)
    assert half == (17, 25)


def test_initialisation_is_a_function_of_the_generator_given() -> None:
    def weights(seed: int) -> torch.Tensor:
        module = SpadeGenerator(SMALL)
        initialise(module, rng(seed))
        return torch.cat([p.flatten() for p in module.parameters()])

    torch.testing.assert_close(weights(3), weights(3))
    assert not torch.allclose(weights(3), weights(4))


def test_a_generator_learns_to_tell_labels_apart() -> None:
    """A few steps on one pair must paint two labels at two intensities."""
    generator = SpadeGenerator(SpadeConfig(labels=2, width=2, hidden=8))
    initialise(generator, rng())
    onehot = one_hot((torch.arange(32) < 16).expand(1, 32, 32), 2)
    target = onehot[:, 1:] * 1.2 - 0.6
    optimiser = torch.optim.Adam(generator.parameters(), 5e-3, (0.0, 0.9))
    first = F.l1_loss(generator(onehot), target).item()
    for _ in range(30):
        optimiser.zero_grad()
        loss = F.l1_loss(generator(onehot), target)
        loss.backward()
        optimiser.step()
    assert loss.item() < first / 3
