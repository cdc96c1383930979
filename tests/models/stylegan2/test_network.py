"""StyleGAN2: shapes, styles that cross over, truncation, groups over workers, soft labels."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from factory.models.stylegan2.network import (
    Discriminator,
    Generator,
    StyleGanConfig,
    image_and_label,
    minibatch_deviation,
    mix_styles,
    soft_labels,
)

SMALL = {"latent": 8, "mapping_layers": 2, "base": 64, "most": 8}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("resolution", "image_channels", "labels"), [(8, 1, 0), (32, 3, 0), (32, 1, 4), (16, 0, 3)]
)
def test_shapes_at_any_power_of_two(resolution: int, image_channels: int, labels: int) -> None:
    config = StyleGanConfig(resolution, image_channels, labels, **SMALL)
    generator = Generator(config, rng())
    out = generator(
        generator.styles(generator.mapping(torch.randn(3, 8))), generator.noise(3, rng())
    )
    assert out.shape == (3, image_channels + labels, resolution, resolution)
    assert Discriminator(config, rng())(out).shape == (3,)
    image, label = image_and_label(out, config)
    assert image.shape[1] == image_channels
    assert (label is None) == (labels == 0)


def test_a_resolution_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="48: allowed: a power of two"):
        StyleGanConfig(48)


def test_the_width_of_layers_falls_with_their_resolution() -> None:
    config = StyleGanConfig(256, base=16384, most=512)
    assert [config.width(r) for r in config.resolutions] == [512, 512, 512, 512, 256, 128, 64]
    assert config.layers == 14


def test_latents_count_by_direction_alone() -> None:
    mapping = Generator(StyleGanConfig(8, **SMALL), rng()).mapping
    z = torch.randn(4, 8, generator=rng())
    torch.testing.assert_close(mapping(z), mapping(5 * z))


def test_truncation_goes_from_the_average_to_the_style() -> None:
    mapping = Generator(StyleGanConfig(8, **SMALL), rng()).mapping
    for _ in range(2000):
        mapping.track(torch.full((8,), 2.0))
    torch.testing.assert_close(mapping.average, torch.full((8,), 2.0), rtol=1e-3, atol=0)
    w = torch.randn(3, 8)
    torch.testing.assert_close(mapping.truncated(w, 1.0), w)
    torch.testing.assert_close(mapping.truncated(w, 0.0), mapping.average.expand(3, -1))
    torch.testing.assert_close(mapping.truncated(w, 0.5), (w + mapping.average) / 2)


def test_mixing_takes_fine_layers_from_the_second() -> None:
    config = StyleGanConfig(32, **SMALL)
    generator = Generator(config, rng())
    first, second = (generator.styles(torch.randn(2, 8)) for _ in "ab")
    cuts = torch.tensor([3, config.layers])
    styles = mix_styles(first, second, cuts)
    assert torch.equal(styles[0, :3], first[0, :3])
    assert torch.equal(styles[0, 3:], second[0, 3:])
    assert torch.equal(styles[1], first[1])


def test_noise_changes_an_image_only_once_its_strength_is_learnt() -> None:
    generator = Generator(StyleGanConfig(16, **SMALL), rng())
    w = generator.styles(torch.randn(1, 8))
    one, two = (generator(w, generator.noise(1, rng(i))) for i in (1, 2))
    assert torch.equal(one, two)
    torch.nn.init.ones_(generator.synthesis.convs[0].strength)
    one, two = (generator(w, generator.noise(1, rng(i))) for i in (1, 2))
    assert not torch.equal(one, two)


def test_a_group_of_copies_has_no_deviation() -> None:
    same = torch.randn(1, 4, 4, 4).expand(8, -1, -1, -1)
    assert float(minibatch_deviation(same).max()) < 2e-4
    spread = minibatch_deviation(torch.randn(4000, 2, 4, 4, generator=rng()))
    # of four numbers from N(0, 1), the mean of their standard deviations is 0.8
    assert abs(float(spread.mean()) - 0.798) < 0.01


def deviations(rank: int, folder: str) -> None:
    global_batch = torch.randn(8, 3, 4, 4, generator=rng()).double()
    rows = global_batch[rank * 4 : rank * 4 + 4].requires_grad_()
    out = minibatch_deviation(rows)
    (gradient,) = torch.autograd.grad((out * torch.arange(1, 5)[:, None, None, None]).sum(), rows)
    torch.save({"out": out.detach(), "gradient": gradient}, Path(folder) / f"{rank}.pt")


def test_groups_are_formed_over_all_workers(two_workers: Callable[..., Path]) -> None:
    folder = two_workers(deviations)
    parts = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    global_batch = torch.randn(8, 3, 4, 4, generator=rng()).double().requires_grad_()
    out = minibatch_deviation(global_batch)
    weights = torch.arange(1, 5).repeat(2)[:, None, None, None]
    (gradient,) = torch.autograd.grad((out * weights).sum(), global_batch)
    torch.testing.assert_close(torch.cat([p["out"] for p in parts]), out.detach())
    torch.testing.assert_close(torch.cat([p["gradient"] for p in parts]), gradient)


def test_soft_labels_are_read_back_and_add_up() -> None:
    label = torch.zeros(1, 24, 24, dtype=torch.uint8)
    label[0, 6:18, 6:18] = 2
    label[0, 9:15, 9:15] = 1
    soft = soft_labels(label, 3, 0.7)
    assert torch.equal(soft.argmax(1), label.long())
    torch.testing.assert_close(((soft + 1) / 2).sum(1), torch.ones(1, 24, 24))
    assert 0.05 < float(((soft > -0.99) & (soft < 0.99)).float().mean()) < 0.5
    assert set(soft_labels(label, 3, 0).unique().tolist()) == {-1.0, 1.0}
