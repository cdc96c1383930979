"""Augmentation: what moves together, what never touches labels, and how p is steered."""

from dataclasses import fields

import pytest
import torch

from factory.models.stylegan2.ada import GROUPS, AdaConfig, AdaptiveP, augment, draw_parameters

BATCH, SIDE = 6, 32
NAMES = [field.name for field in fields(AdaConfig)]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def only(*names: str) -> AdaConfig:
    return AdaConfig(**{name: name in names for name in NAMES})


def pair() -> torch.Tensor:
    """An image channel and a label channel that are the same."""
    image = torch.randn(BATCH, 1, SIDE, SIDE, generator=rng())
    return torch.cat([image, image], 1)


def shown(config: AdaConfig, p: float, x: torch.Tensor, channels: int = 1) -> torch.Tensor:
    noise = torch.randn(len(x), channels, SIDE, SIDE, generator=rng(9))
    return augment(x, draw_parameters(config, len(x), p, SIDE, rng(5)), channels, noise)


def test_there_are_eighteen() -> None:
    assert len(NAMES) == 18
    assert set(NAMES) == {
        t.removesuffix("_before").removesuffix("_after") for g in GROUPS.values() for t in g
    }


def test_at_p_0_nothing_happens() -> None:
    x = pair()
    torch.testing.assert_close(shown(AdaConfig(), 0.0, x), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("group", ["blit", "geometry"])
def test_image_and_labels_move_together(group: str) -> None:
    x = pair()
    out = shown(AdaConfig.of_groups((group,)), 1.0, x)
    torch.testing.assert_close(out[:, 0], out[:, 1], atol=1e-5, rtol=0)
    assert not torch.allclose(out, x, atol=0.1)


@pytest.mark.parametrize("group", ["colour", "filter"])
def test_colours_and_filters_never_touch_labels(group: str) -> None:
    x = pair()
    out = shown(AdaConfig.of_groups((group,)), 1.0, x)
    assert torch.equal(out[:, 1], x[:, 1])
    assert not torch.allclose(out[:, 0], x[:, 0], atol=0.1)


def test_noise_is_the_images_and_cutout_blanks_both() -> None:
    x = pair()
    out = shown(only("noise"), 1.0, x)
    assert torch.equal(out[:, 1], x[:, 1])
    assert not torch.equal(out[:, 0], x[:, 0])
    out = shown(only("cutout"), 1.0, x)
    blank = (out == 0).flatten(2).float().mean(2)
    torch.testing.assert_close(blank[:, 0], blank[:, 1])
    assert ((blank > 0.05) & (blank <= 0.26)).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_switched_alone(name: str) -> None:
    """On alone it changes the image; off alone, all the others' draws are as they were."""
    colours = torch.randn(BATCH, 3, SIDE, SIDE, generator=rng())
    assert not torch.allclose(shown(only(name), 1.0, colours, 3), colours, atol=1e-3)
    whole = draw_parameters(AdaConfig(), BATCH, 1.0, SIDE, rng(3))
    without = draw_parameters(AdaConfig(**{name: False}), BATCH, 1.0, SIDE, rng(3))
    other = {"hole": "cutout", "noise": "noise", "turn": "hue", "saturate": "saturation"}
    for attribute, transform in other.items():
        same = torch.equal(getattr(whole, attribute), getattr(without, attribute))
        assert same == (transform != name)


def test_about_p_of_the_images_are_struck() -> None:
    parameters = draw_parameters(only("noise"), 2000, 0.3, SIDE, rng())
    assert abs(float((parameters.noise > 0).float().mean()) - 0.3) < 0.04


def test_a_group_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="'colours': allowed: blit, geometry, colour"):
        AdaConfig.of_groups(("colours",))


def test_p_is_steered_towards_its_target_both_ways() -> None:
    ada = AdaptiveP(target=0.6, images=1000, interval=4)
    for _ in range(8):
        ada.update(1.0, 10)
    assert ada.p == pytest.approx(2 * 40 / 1000)
    assert ada.overfitting == 1.0
    again = AdaptiveP(target=0.6, images=1000, interval=4)
    again.load(ada.state())
    for both in (ada, again):
        for _ in range(4):
            both.update(0.1, 10)
        assert both.p == pytest.approx(40 / 1000)
    for _ in range(400):
        ada.update(-1.0, 10)
    assert ada.p == 0
    for _ in range(400):
        ada.update(1.0, 10)
    assert ada.p == 1
