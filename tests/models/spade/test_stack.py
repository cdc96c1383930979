"""A stack of slices by one generator: batches, runs, styles and precisions."""

import numpy as np
import pytest
import torch

from factory.models.checkpoint import remove_parametrizations
from factory.models.spade import stack as spade_stack
from factory.models.spade.neighbourhoods import one_hot
from factory.models.spade.network import SpadeConfig, SpadeGenerator, initialise
from factory.models.spade.stack import SpadeStack

CPU = torch.device("cpu")


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stack(latent: int = 0) -> SpadeStack:
    generator = SpadeGenerator(SpadeConfig(3, width=2, hidden=4, latent=latent))
    initialise(generator, rng(0))
    remove_parametrizations(generator).eval().requires_grad_(False)
    for layer in generator.modules():
        if isinstance(layer, torch.nn.Conv2d):  # strong enough for labels to be seen
            torch.nn.init.xavier_normal_(layer.weight, generator=rng(2))
    return SpadeStack(generator, CPU)


@pytest.fixture(autouse=True)
def _few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spade_stack, "BATCH", 4)
    monkeypatch.setattr(spade_stack, "ON_GPU", 5)
    monkeypatch.setattr(spade_stack, "RUN", 8)


def label_maps(count: int, seed: int = 0) -> np.ndarray:
    label = torch.randint(0, 3, (count, 4, 8), generator=rng(seed), dtype=torch.uint8)
    return label.repeat_interleave(8, 1).repeat_interleave(8, 2).numpy()


@pytest.mark.parametrize("count", [1, 8, 19])
@pytest.mark.parametrize("latent", [0, 5])
def test_slices_come_in_order_each_in_its_style(count: int, latent: int) -> None:
    """Across batches and runs, by tables and by convolutions."""
    its, label = stack(latent), label_maps(count)
    style = torch.randn(count, latent, generator=rng(1)) if latent else None
    with torch.inference_mode():
        hot = one_hot(torch.from_numpy(label), 3)
        each = [
            its.generator(hot[[i]], None if style is None else style[[i]]) for i in range(count)
        ]
    expected = torch.cat(each)[:, 0].numpy()
    assert expected.std() > 0.05
    np.testing.assert_allclose(its.draw(label, style), expected, atol=1e-5)
    image = its.draw_by_convolutions(label, style, torch.float32)
    np.testing.assert_allclose(image, expected, atol=1e-5)
    assert not any(getattr(module, "fused", False) for module in its.generator.modules())


def test_mixed_precision_is_near_and_not_the_same() -> None:
    its, label = stack(), label_maps(9)
    full, mixed = its.draw(label), its.draw(label, mixed_precision=True)
    assert mixed.dtype == np.float32
    assert 0 < np.abs(full - mixed).max() < 0.1 * full.std()
    assert len(np.unique(mixed)) > 256  # the last layer is in float32
    np.testing.assert_array_equal(its.draw(label), full)  # and leaves nothing behind


@pytest.mark.parametrize("count", [7, 19])
def test_further_styles_share_an_index(count: int) -> None:
    its, label = stack(latent=5), label_maps(count)
    first, second = torch.randn(2, count, 5, generator=rng(1))
    fresh = stack(latent=5).draw(label, second)
    its.draw(label, first)
    runs = its.runs
    np.testing.assert_array_equal(its.draw(label.copy(), second), fresh)
    assert its.runs is runs
    other = label_maps(count, seed=1)
    np.testing.assert_array_equal(its.draw(other, first), stack(latent=5).draw(other, first))
    assert its.runs is not runs


def test_without_styles_nothing_is_kept() -> None:
    its = stack()
    its.draw(label_maps(19))
    assert not its.runs
    assert not its.prepared


@pytest.mark.parametrize("way", ["draw", "draw_by_convolutions"])
def test_what_cannot_be_drawn_is_refused(way: str) -> None:
    its = stack()
    draw = (
        its.draw
        if way == "draw"
        else lambda label: its.draw_by_convolutions(label, None, torch.float32)
    )
    with pytest.raises(ValueError, match="0 to 7; allowed: 0 to 2"):
        draw(np.full((1, 32, 32), 7, np.uint8) * np.eye(32, dtype=np.uint8))
    with pytest.raises(ValueError, match="48×32: sides must be multiples of 32"):
        draw(np.zeros((1, 48, 32), np.uint8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_a_gpu_draws_what_a_cpu_draws(mixed_precision: bool) -> None:
    label, style = label_maps(11), torch.randn(11, 5, generator=rng(1))
    expected = stack(latent=5).draw(label, style)
    on_gpu = SpadeStack(stack(latent=5).generator, torch.device("cuda"))
    image = on_gpu.draw(label, style, mixed_precision)
    dtype = torch.bfloat16 if mixed_precision else torch.float32
    assert not on_gpu.recorded[dtype].given_up
    np.testing.assert_allclose(image, expected, atol=spade_stack.TOLERANCE[dtype])
