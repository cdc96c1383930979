"""Patches cut, restored and merged: no seams, whatever the volume's size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.cnn_fusion import (
    CnnFusion,
    CnnFusionConfig,
    initialise,
    patch_window,
    predict_by_patches,
    restore,
)

SIDES = st.tuples(*[st.integers(1, 21)] * 3)
PATCHES = st.sampled_from([4, 8, 10])


@settings(deadline=None)
@given(PATCHES)
def test_windows_half_a_patch_apart_add_to_one(patch: int) -> None:
    half = patch // 2
    total = torch.zeros(3 * half, 3 * half, 3 * half)
    for z in (0, half):
        for y in (0, half):
            for x in (0, half):
                total[z : z + patch, y : y + patch, x : x + patch] += patch_window(patch)
    middle = slice(half, patch)
    torch.testing.assert_close(total[middle, middle, middle], torch.ones(half, half, half))
    assert patch_window(patch).min() > 0


@settings(max_examples=30, deadline=None)
@given(SIDES, PATCHES, st.floats(-2, 2, width=32))
def test_constant_predictions_come_out_constant(
    sides: tuple[int, int, int], patch: int, value: float
) -> None:
    """Borders and corners too."""
    merged = predict_by_patches(
        torch.zeros(3, *sides), patch, lambda p: torch.full_like(p[:, 0], value)
    )
    torch.testing.assert_close(merged, torch.full(sides, value))


@settings(max_examples=30, deadline=None)
@given(SIDES, PATCHES, st.integers(0, 99))
def test_what_is_predicted_voxel_by_voxel_comes_out_exact(
    sides: tuple[int, int, int], patch: int, seed: int
) -> None:
    volumes = torch.randn(3, *sides, generator=torch.Generator().manual_seed(seed))
    merged = predict_by_patches(volumes, patch, lambda p: p[:, 0] - 2 * p[:, 2] ** 2)
    torch.testing.assert_close(merged, volumes[0] - 2 * volumes[2] ** 2)


def test_patches_that_disagree_leave_no_seam() -> None:
    """Each patch is off by a number of its own: the merged volume passes from one to the next in
    steps far smaller than the difference."""
    rng = np.random.Generator(np.random.Philox(key=1))
    offsets = iter(torch.from_numpy(rng.random(10_000, dtype=np.float32)))

    def predict(patches: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.full_like(p[0], float(next(offsets))) for p in patches])

    merged = predict_by_patches(torch.zeros(3, 40, 40, 40), 16, predict)
    steepest = float(np.pi / 16)  # of a patch_window that falls from 1 to 0 over half a patch
    for axis in range(3):
        assert merged.diff(dim=axis).abs().max() < steepest
    assert merged.std() > 0.02


def test_an_untrained_network_is_the_mean_and_each_seed_another_network() -> None:
    networks = [CnnFusion(CnnFusionConfig(width=4, depth=3, patch=8)) for _ in range(3)]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        initialise(network, torch.Generator().manual_seed(seed))
    volumes = torch.rand(3, 11, 7, 13, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(restore(networks[0], volumes), volumes.mean(0))
    first, same, other = (network.layers[0].weight for network in networks)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("shift", [1, 3])
def test_where_the_grid_of_patches_lies_hardly_matters(shift: int) -> None:
    """A network that looks at neighbours sees a patch's border, but at a weight near zero."""
    network = CnnFusion(CnnFusionConfig(width=4, depth=3, patch=16))
    initialise(network, torch.Generator().manual_seed(0))
    torch.nn.init.normal_(
        network.layers[-1].weight, std=0.05, generator=torch.Generator().manual_seed(1)
    )
    volumes = torch.zeros(3, 40, 40, 40)
    volumes[:, 8:32, 8:32, 8:32] = torch.rand(
        3, 24, 24, 24, generator=torch.Generator().manual_seed(2)
    )
    here = restore(network, volumes)[8:32, 8:32, 8:32]
    box = tuple(slice(8 + shift, 32 + shift) for _ in range(3))
    there = restore(network, volumes.roll((shift,) * 3, (1, 2, 3)))[box]
    correction = (here - volumes.mean(0)[8:32, 8:32, 8:32]).abs().mean()
    assert correction > 0.01
    assert (here - there).abs().mean() < 0.1 * correction
