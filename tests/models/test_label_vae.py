"""The label VAE: its shapes, its paths through codes, and that it learns."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.label_vae import (
    LabelVae,
    LabelVaeConfig,
    channels_to_space,
    cross_entropy,
    linear,
    path,
    prior,
    spherical,
    strides,
)
from factory.models.losses import kl_divergence
from factory.models.spade.network import one_hot

SMALL = LabelVaeConfig(labels=3, shape=(24, 16), latent=5, width=4, most=8)


@pytest.mark.parametrize("shape", [(24, 16), (32, 32), (6, 16, 24), (5, 16, 16)])
def test_codes_and_logits_have_the_shapes_of_slices_and_of_volumes(shape: tuple[int, ...]) -> None:
    vae = LabelVae(dataclasses.replace(SMALL, shape=shape))
    label = torch.randint(0, 3, (2, *shape))
    logits, mu, logvar = vae(one_hot(label, 3), torch.zeros(2, 5))
    assert logits.shape == (2, 3, *shape)
    assert mu.shape == logvar.shape == (2, 5)
    torch.testing.assert_close(logits, vae.decode(mu))  # without noise the code is μ


def test_a_config_survives_its_card() -> None:
    card = json.loads(json.dumps(dataclasses.asdict(SMALL)))
    assert LabelVaeConfig(**card) == SMALL


@pytest.mark.parametrize("change", [{"shape": (16,)}, {"shape": (4, 4, 4, 4)}, {"width": 6}])
def test_what_cannot_be_built_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=r"two sides or three|multiples of"):
        dataclasses.replace(SMALL, **change)


def test_only_even_sides_are_halved_and_never_below_four() -> None:
    assert strides((32, 8)) == [(2, 2), (2, 1), (2, 1)]
    assert strides((5, 16, 16)) == [(1, 2, 2), (1, 2, 2)]


def test_channels_go_to_space_as_torchs_own_do_in_two_dimensions() -> None:
    x = torch.randn(2, 12, 3, 5)
    assert torch.equal(channels_to_space(x, (2, 2)), torch.nn.functional.pixel_shuffle(x, 2))
    assert channels_to_space(torch.randn(1, 8, 3, 4, 5), (1, 2, 2)).shape == (1, 2, 3, 8, 10)


def test_the_cross_entropy_of_ignorance_is_log_k_a_voxel() -> None:
    label = torch.randint(0, 3, (4, 6, 5))
    assert cross_entropy(torch.zeros(4, 3, 6, 5), label) == pytest.approx(30 * math.log(3))


codes = st.integers(0, 10_000).map(
    lambda seed: torch.randn(2, 1, 12, generator=torch.Generator().manual_seed(seed)).double()
)


@settings(max_examples=50, deadline=None)
@given(codes, st.floats(0, 1))
def test_a_sphere_is_walked_at_constant_speed_and_linear_norm(pair: torch.Tensor, t: float) -> None:
    a, b = pair
    code = spherical(a, b, t)
    assert code.norm() == pytest.approx(float((1 - t) * a.norm() + t * b.norm()), rel=1e-6)
    angle = torch.nn.functional.cosine_similarity(a, b).clamp(-1, 1).arccos()
    walked = torch.nn.functional.cosine_similarity(a, code).clamp(-1, 1).arccos()
    assert float(walked) == pytest.approx(float(t * angle), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(codes)
def test_paths_begin_and_end_at_their_codes_and_reverse(pair: torch.Tensor) -> None:
    a, b = pair
    for way in (linear, spherical):
        torch.testing.assert_close(way(a, b, 0.0), a)
        torch.testing.assert_close(way(a, b, 1.0), b)
        torch.testing.assert_close(way(a, b, 0.3), way(b, a, 0.7))


@pytest.mark.parametrize("other", [2.0, -1.0, 0.0])
def test_where_no_circle_is_defined_the_line_is_taken(other: float) -> None:
    a = torch.randn(1, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spherical(a, other * a, 0.25), linear(a, other * a, 0.25))


def test_a_path_passes_through_every_code() -> None:
    codes = prior(4, 3, torch.Generator().manual_seed(1))
    for method in ("linear", "spherical"):
        torch.testing.assert_close(path(codes, torch.arange(4.0), method), codes)
    halves = path(codes, torch.tensor([0.5, 2.5]))
    torch.testing.assert_close(halves[1], (codes[2] + codes[3]) / 2)
    assert torch.equal(path(codes[:1], torch.zeros(3)), codes[:1].expand(3, -1))


def test_a_small_vae_learns_to_tell_where_a_square_lies() -> None:
    """Reconstructions of unseen squares, after some steps, beat the best single guess."""
    rng = np.random.Generator(np.random.Philox(key=0))

    def squares(count: int) -> torch.Tensor:
        label = torch.zeros(count, 24, 16, dtype=torch.long)
        for plane in label:
            y, x = int(rng.integers(0, 16)), int(rng.integers(0, 8))
            plane[y : y + 8, x : x + 8] = 1
            plane[y + 2 : y + 6, x + 2 : x + 6] = 2
        return label

    torch.manual_seed(0)
    vae = LabelVae(dataclasses.replace(SMALL, width=8, most=16))
    optimiser = torch.optim.Adam(vae.parameters(), 3e-3)
    first, unseen = None, squares(32)
    guess = torch.nn.functional.one_hot(squares(400), 3).float().mean(0)
    for _ in range(80):
        label = squares(16)
        logits, mu, logvar = vae(one_hot(label, 3), torch.randn(16, 5))
        loss = cross_entropy(logits, label) + kl_divergence(mu, logvar) / 16
        first = loss.item() if first is None else first
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        logits = vae.decode(vae.encode(one_hot(unseen, 3))[0])
    blind = guess.clamp(1e-3).log().movedim(-1, 0).expand(32, -1, -1, -1)
    assert cross_entropy(logits, unseen) < 0.5 * cross_entropy(blind, unseen)
    assert loss < 0.3 * first
