"""Project the cost of a sample: the peak memory of a renderer, and the time of the edits."""

import math

from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.families.base import Card
from factory.planning.cases import cases_per_subject
from factory.planning.grid import grid_shape, needed_shape
from factory.planning.groups import case_groups
from factory.planning.stack_shapes import megavoxels, scanned_images
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout

# The memory of a renderer, measured on CPU renders of the shipped recipe and rounded up.
PROCESS_BYTES = 950_000_000  # Python, torch, Ray's worker, with the pages of their libraries
VOXEL_BYTES = 90  # labels, distances, three orientations and their fusion: 85 at 0.6 mm
CHANNEL_BYTES = 32  # a voxel, besides, for each channel after the first: eight float32 copies
INDEX_BYTES = 40  # a voxel, besides, of a model with styles, which share an index: 37 at 0.8 mm
STACK_BYTES = 16  # a voxel of stacks, besides: 13 at 0.4 × 0.4 × 1.5 mm
SLICES = 8  # slices a network draws at a time
SLOW_SCAN, QUICK_SCAN = 3.0, 0.1  # seconds a megavoxel: resampled or in k-space, or only its tone
AHEAD_BYTES = 60  # a voxel, besides, where two cases are begun ahead: 36 at 0.8 mm


def memory_per_actor(layout: Layout, card: Card, weights_bytes: int) -> int:
    """Return the peak memory of one renderer in bytes: process, networks, one sample and one shard.

    Args:
        layout: The arrays of the dataset.
        card: The card of the model.
        weights_bytes: The size of the model's weight files.
    """
    config = card.get("config", {})
    channels = 2 * config.get("hidden", 128) + 4 * config.get("width", 64)
    z, y, x = layout.shape
    plane = max(z * y, z * x, y * x)
    voxels = z * y * x
    sample = sum(
        layout.voxels_of(name) * (2 if layout.is_label(name) else 8) for name in layout.arrays
    )
    shard = layout.samples_per_shard * sample
    activations = SLICES * plane * channels * 4
    more_channels = len(layout.channels.get("image", ("",))) - 1
    each = VOXEL_BYTES + CHANNEL_BYTES * more_channels
    each += INDEX_BYTES if config.get("latent") else 0
    stacks = round(STACK_BYTES * 1e6 * megavoxels(layout, layout.stacks))
    # weights are float16 in the files and float32 in memory
    network: int = 3 * weights_bytes + activations
    return PROCESS_BYTES + network + each * voxels + stacks + shard


def memory_ahead(layout: Layout) -> int:
    """Return the additional bytes of a renderer that prepares further cases at the same time.

    See factory.rendering.lookahead.
    """
    return AHEAD_BYTES * math.prod(layout.shape)


def scan_seconds(recipe: Recipe, layout: Layout) -> float:
    """Return the time of one core for the scan of a sample."""
    scan = recipe.spec.acquisition
    slow = scan and (scan.stacks or scan.motion or scan.kspace)
    rate = SLOW_SCAN if slow else QUICK_SCAN
    return rate * megavoxels(layout, scanned_images(recipe, layout))


def edit_seconds(recipe: Recipe) -> float:
    """Return the time of one core for the edits of a sample, averaged over the groups.

    This is an upper estimate: every head counts as large as the largest one, and every edit counts,
    whatever its `when`.

    Raises:
        SubjectError: Subjects cannot be read.
    """
    megavoxels = math.prod(needed_shape(recipe)) / 1e6
    litres = math.prod(grid_shape(recipe)) * recipe.spec.output.spacing_mm**3 / 1e6
    samples, total_seconds = 0, 0.0
    for group in case_groups(recipe):
        count = group.count * cases_per_subject(recipe, group)
        edits = [split_edit(edit) for edit in group.template.anatomy]
        samples += count
        seconds = sum(
            OPERATORS[name].seconds(v, megavoxels) + OPERATORS[name].seconds_of_litres(v, litres)
            for name, v in edits
        )
        total_seconds += count * seconds
    return total_seconds / max(samples, 1)
