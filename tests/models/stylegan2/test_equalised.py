"""Layers with equalised learning rates, and the fixed filters beside them."""

import torch
import torch.nn.functional as F

from factory.models.stylegan2.equalised import Conv, Linear, ModulatedConv
from factory.models.stylegan2.filters import blur, upsample


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_weights_are_drawn_alike_and_scaled_where_used() -> None:
    for inputs in (32, 256):
        layer = Linear(inputs, 64, rng())
        assert abs(float(layer.weight.detach().std()) - 1) < 0.15
        out = layer(torch.randn(512, inputs, generator=rng()))
        assert abs(float(out.detach().std()) - 1) < 0.3


def test_a_slower_layer_starts_alike_and_moves_less() -> None:
    x = torch.randn(8, 16, generator=rng())
    moved = []
    for rate in (1.0, 0.01):
        layer = Linear(16, 4, rng(), rate=rate)
        before = layer(x).detach()
        optimiser = torch.optim.Adam(layer.parameters(), 0.01)
        layer(x).sum().backward()
        optimiser.step()
        moved.append(float((layer(x) - before).detach().abs().mean()))
        torch.testing.assert_close(before, Linear(16, 4, rng())(x).detach())
    assert 50 < moved[0] / moved[1] < 200


def test_demodulated_outputs_have_unit_variance_whatever_the_style() -> None:
    conv = ModulatedConv(32, 16, 3, 8, rng())
    x = torch.randn(4, 32, 24, 24, generator=rng())
    styles = torch.randn(4, 8, generator=rng()) * torch.tensor([[0.1], [1], [5], [20]])
    out = conv(x, styles)[..., 1:-1, 1:-1].detach()
    assert ((out.var((2, 3)).mean(1) - 1).abs() < 0.15).all()
    plain = ModulatedConv(32, 16, 3, 8, rng(), demodulate=False)
    loud = plain(x, styles).detach().var((1, 2, 3))
    assert loud[3] > 20 * loud[1]


def test_modulation_is_that_of_a_kernel_a_sample() -> None:
    """Equations 1 and 3: w' = s · w, w'' = w' / √(Σ w'² + ε), as grouped convolutions do it."""
    conv = ModulatedConv(3, 5, 3, 4, rng())
    x, w = torch.randn(2, 3, 9, 9, generator=rng()), torch.randn(2, 4, generator=rng())
    kernel = (conv.weight * conv.gain)[None] * conv.style(w)[:, None, :, None, None]
    kernel = kernel * torch.rsqrt(kernel.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    expected = F.conv2d(x.reshape(1, 6, 9, 9), kernel.flatten(0, 1), padding=1, groups=2)
    torch.testing.assert_close(conv(x, w), expected.view(2, 5, 9, 9), rtol=1e-4, atol=1e-5)


def test_sizes_double_and_halve() -> None:
    x = torch.randn(2, 4, 16, 16, generator=rng())
    w = torch.zeros(2, 3)
    assert ModulatedConv(4, 6, 3, 3, rng(), up=True)(x, w).shape == (2, 6, 32, 32)
    assert Conv(4, 6, 3, rng(), down=True)(x).shape == (2, 6, 8, 8)
    assert Conv(4, 6, 1, rng(), down=True)(x).shape == (2, 6, 8, 8)


def test_filters_keep_constants_and_upsampling_is_bilinear_inside() -> None:
    ones = torch.ones(1, 2, 8, 8)
    torch.testing.assert_close(upsample(ones)[..., 1:-1, 1:-1], torch.ones(1, 2, 14, 14))
    torch.testing.assert_close(blur(ones, 0), torch.ones(1, 2, 5, 5))
    x = torch.randn(1, 2, 8, 8, generator=rng())
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsample(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
