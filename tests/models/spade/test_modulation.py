"""Tables against convolutions: the same γ and β, layer by layer and through the generator."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from factory.models.normalisation import BatchNorm
from factory.models.spade.neighbourhoods import LabelMaps, index_neighbourhoods, one_hot
from factory.models.spade.network import Spade, SpadeConfig, SpadeGenerator, Tables, initialise


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trained(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """With weights, biases and statistics that are none of them 0 or 1."""
    g = rng(seed)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
            torch.nn.init.normal_(layer.bias, 0, 0.3, generator=g)
        if isinstance(layer, BatchNorm):
            layer.mean.normal_(0, 0.5, generator=g)
            layer.variance.uniform_(0.5, 2, generator=g)
    return module.eval().requires_grad_(False)


@settings(max_examples=40, deadline=None)
@given(
    labels=st.integers(1, 30),
    used=st.integers(1, 30),
    batch=st.integers(1, 4),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    coarse=st.sampled_from([1, 3]),
    norm=st.sampled_from(["batch", "instance"]),
    slope=st.sampled_from([1.0, 0.2]),
    seed=st.integers(0, 1000),
)
def test_a_layer_by_table_is_the_layer_by_convolution(
    labels: int,
    used: int,
    batch: int,
    height: int,
    width: int,
    coarse: int,
    norm: str,
    slope: float,
    seed: int,
) -> None:
    """One label to all of them, any sides, borders everywhere: 1e-5 in float32."""
    config = SpadeConfig(labels=labels, hidden=8, norm=norm)  # type: ignore[arg-type]
    spade = trained(Spade(6, config), seed)
    label = torch.randint(0, min(used, labels), (batch, height, width), generator=rng(seed))
    label = label.repeat_interleave(coarse, 1).repeat_interleave(coarse + 1, 2)
    near = index_neighbourhoods(label, labels)
    x = torch.randn(batch, 6, *label.shape[1:], generator=rng(seed))
    by_table = spade(x, Tables(near.index_BHW, {spade: spade.table(near)}), slope)
    torch.testing.assert_close(
        by_table, spade(x, one_hot(label, labels), slope), atol=1e-5, rtol=1e-5
    )


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 3),
    width=st.integers(1, 3),
    batch=st.integers(1, 3),
    coarse=st.sampled_from([4, 8, 32]),
    labels=st.integers(1, 6),
    latent=st.sampled_from([0, 3]),
    norm=st.sampled_from(["batch", "instance"]),
    seed=st.integers(0, 1000),
)
def test_a_generator_by_table_is_the_generator_by_convolution(
    height: int,
    width: int,
    batch: int,
    coarse: int,
    labels: int,
    latent: int,
    norm: str,
    seed: int,
) -> None:
    assume(norm == "batch" or height * width > 1)  # torch refuses to norm an instance of one pixel
    config = SpadeConfig(labels, width=2, hidden=4, latent=latent, norm=norm)  # type: ignore[arg-type]
    generator = SpadeGenerator(config)
    initialise(generator, rng(seed))
    trained(generator, seed)
    sides = (batch, 32 * height // coarse, 32 * width // coarse)
    label = torch.randint(0, labels, sides, generator=rng(seed))
    label = label.repeat_interleave(coarse, 1).repeat_interleave(coarse, 2)
    style = torch.randn(batch, latent, generator=rng(seed)) if latent else None
    prepared = generator.prepare(LabelMaps(label, labels))
    expected = generator(one_hot(label, labels), style)
    torch.testing.assert_close(generator.draw(prepared, style), expected, atol=1e-5, rtol=1e-5)
    last = [each[batch - 1 :] for each in prepared]
    of_last = None if style is None else style[batch - 1 :]
    torch.testing.assert_close(
        generator.draw(last, of_last), expected[batch - 1 :], atol=1e-5, rtol=1e-5
    )


def test_tables_serve_many_styles_and_another_network() -> None:
    """One preparation and two styles of one map; one index and two networks."""
    label = torch.randint(0, 3, (1, 8, 8), generator=rng()).repeat_interleave(8, 1)
    label = label.repeat_interleave(8, 2)
    maps, style = LabelMaps(label, 3), torch.randn(2, 4, generator=rng())
    for seed in (0, 1):
        generator = SpadeGenerator(SpadeConfig(3, width=2, hidden=4, latent=4))
        initialise(generator, rng(seed))
        trained(generator, seed)
        prepared = generator.prepare(maps)
        assert isinstance(prepared[-1], Tables)
        assert prepared[-1].index_BHW is maps.neighbourhoods(1).index_BHW
        twice = [each[[0, 0]] for each in prepared]
        expected = generator(one_hot(label, 3).expand(2, -1, -1, -1), style)
        torch.testing.assert_close(generator.draw(twice, style), expected, atol=1e-5, rtol=1e-5)


def test_what_cannot_be_prepared_is_refused() -> None:
    generator = SpadeGenerator(SpadeConfig(3, width=2, hidden=4))
    with pytest.raises(ValueError, match="inference"):
        generator.prepare(LabelMaps(torch.zeros(1, 32, 32, dtype=torch.uint8), 3))
    with pytest.raises(ValueError, match=r"48×32.*multiples of 32"):
        generator.eval().prepare(LabelMaps(torch.zeros(1, 48, 32, dtype=torch.uint8), 3))
