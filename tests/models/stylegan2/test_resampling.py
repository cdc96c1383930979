"""Warps and filters for augmentation, held against what torch and arithmetic say."""

import math

import torch
import torch.nn.functional as F

from factory.models.stylegan2.resampling import (
    EXPECTED_POWER,
    band_gains,
    doubling_matrix,
    halving_matrix,
    warp,
)


def image(size: int = 32) -> torch.Tensor:
    """Smooth, so that resampling it loses nothing."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    return torch.stack([torch.sin(3 * x + y), torch.cos(2 * y - x)])[None]


def turn(degrees: float) -> torch.Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]])


def test_whole_moves_give_the_pixels_as_they_are() -> None:
    x = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp(x, torch.eye(3)[None]), x, atol=1e-4, rtol=0)
    torch.testing.assert_close(warp(x, turn(90)), x.rot90(1, (2, 3)), atol=1e-4, rtol=0)
    mirror = torch.diag(torch.tensor([-1.0, 1, 1]))[None]
    torch.testing.assert_close(warp(x, mirror), x.flip(-1), atol=1e-4, rtol=0)
    shift = torch.eye(3)[None].clone()
    shift[0, 0, 2] = 3 * 2 / 16
    moved = warp(x, shift)
    torch.testing.assert_close(moved[..., :13], x[..., 3:], atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[..., 13:], x[..., 13:].flip(-1), atol=1e-4, rtol=0)


def test_a_turn_is_that_of_torch_where_the_image_is_smooth() -> None:
    x, matrix = image(), turn(20)
    grid = F.affine_grid(matrix[:, :2], [1, 2, 32, 32], align_corners=False)
    expected = F.grid_sample(x, grid, "bicubic", "reflection", align_corners=False)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    torch.testing.assert_close(warp(x, matrix)[inside], expected[inside], atol=0.03, rtol=0)


def test_doubling_and_halving_leave_smooth_signals_in_place() -> None:
    line = torch.sin(torch.linspace(0, 3, 32))[None]
    fine = line @ doubling_matrix(32)
    middles = (torch.arange(64) + 0.5) / 2 - 0.5  # where torch's resampling has them
    expected = torch.sin(middles * 3 / 31)
    torch.testing.assert_close(fine[0, 8:-8], expected[8:-8], atol=2e-2, rtol=0)
    torch.testing.assert_close(
        (fine @ halving_matrix(64))[0, 4:-4], line[0, 4:-4], atol=1e-2, rtol=0
    )


def test_gradients_of_a_warp_are_right_twice_over() -> None:
    x = torch.randn(1, 1, 8, 8, dtype=torch.float32, requires_grad=True)
    y = torch.randn(1, 1, 8, 8)
    once = torch.autograd.grad((warp(x, turn(30)) * y).sum(), x, create_graph=True)[0]
    # The warp is linear: its derivative along any direction is the warp of that direction.
    along = torch.randn(1, 1, 8, 8)
    expected = (warp(along, turn(30)) * y).sum()
    torch.testing.assert_close((once * along).sum(), expected, rtol=1e-3, atol=1e-4)
    weight = torch.ones((), requires_grad=True)
    (first,) = torch.autograd.grad((warp(x * weight, turn(30)) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), weight)
    eps = 1e-2
    ends = []
    for w in (1 - eps, 1 + eps):
        (g,) = torch.autograd.grad((warp(x * w, turn(30)) ** 2).sum(), x)
        ends.append(float(g.square().sum()))
    torch.testing.assert_close(float(second), (ends[1] - ends[0]) / (2 * eps), rtol=1e-2, atol=1e-3)


def test_bands_add_up_and_each_gain_reaches_its_own_octave() -> None:
    x = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(band_gains(x, torch.ones(1, 4)), x, atol=1e-4, rtol=0)
    slow = torch.cos(torch.arange(64) * math.pi / 32).expand(1, 1, 64, 64)
    fast = torch.cos(torch.arange(64) * math.pi * 0.9).expand(1, 1, 64, 64)
    gains = torch.tensor([[1.0, 1, 1, 4]])
    norm = math.sqrt(sum(p * g**2 for p, g in zip(EXPECTED_POWER, gains[0].tolist(), strict=True)))
    for wave, gain in ((slow, 1 / norm), (fast, 4 / norm)):
        out = band_gains(wave, gains)[..., 16:-16]
        ratio = float(out.std() / wave[..., 16:-16].std())
        assert abs(ratio / (gain / norm) - 1) < 0.1  # along y a wave along x is of the lowest band
