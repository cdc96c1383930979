"""Batch statistics: against torch's own, and shared by two real gloo workers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from factory.models.normalisation import BatchNorm, normalisation


def batch() -> torch.Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 3 + 1


def test_it_is_torchs_batch_norm_without_scale_and_shift() -> None:
    ours, theirs = BatchNorm(3), nn.BatchNorm2d(3, affine=False)
    x = batch()
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    ours.eval()
    expected = (x - ours.mean[:, None, None]) / (ours.variance + 1e-5).sqrt()[:, None, None]
    torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)


def on_one_of_two(rank: int, folder: str) -> None:
    norm = BatchNorm(3)
    x = batch()[2 * rank : 2 * rank + 2].requires_grad_()
    y = norm(x)
    (y**3).sum().backward()
    save_file({"y": y.detach(), "grad": x.grad, "mean": norm.mean}, f"{folder}/{rank}.safetensors")


def test_two_workers_normalise_by_the_global_batch(two_workers: Callable[..., Path]) -> None:
    folder = two_workers(on_one_of_two)
    halves = [load_file(folder / f"{rank}.safetensors") for rank in (0, 1)]
    norm, x = BatchNorm(3), batch().requires_grad_()
    y = norm(x)
    (y**3).sum().backward()
    torch.testing.assert_close(torch.cat([h["y"] for h in halves]), y, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.cat([h["grad"] for h in halves]), x.grad, atol=1e-4, rtol=1e-4)
    for half in halves:
        torch.testing.assert_close(half["mean"], norm.mean)


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="'batch' or 'instance'"):
        normalisation("group", 3)
