"""What a sample costs, projected: a renderer's memory at its peak, and the time of edits."""

import math
from collections.abc import Mapping
from typing import Any

from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.planning.cases import cases_per_subject
from factory.planning.grid import needed_shape
from factory.planning.groups import case_groups
from factory.planning.stack_shapes import megavoxels
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout

# What a renderer takes, measured on CPU renders of the shipped recipe and rounded up.
PROCESS_BYTES = 950_000_000  # Python, torch, Ray's worker, with the pages of their libraries
VOXEL_BYTES = 90  # labels, distances, three orientations and their fusion: 85 at 0.6 mm
INDEX_BYTES = 40  # a voxel, besides, of a model with styles, which share an index: 37 at 0.8 mm
STACK_BYTES = 16  # a voxel of stacks, besides: 13 at 0.4 × 0.4 × 1.5 mm
SLICES = 8  # slices a network draws at a time
AHEAD_BYTES = 60  # a voxel, besides, where two cases are begun ahead: 36 at 0.8 mm


def memory_per_actor(layout: Layout, card: Mapping[str, Any], weights_bytes: int) -> int:
    """Bytes that one renderer needs at its peak: itself, its networks, one sample, one shard."""
    config = card.get("config", {})
    channels = 2 * config.get("hidden", 128) + 4 * config.get("width", 64)
    z, y, x = layout.shape
    plane = max(z * y, z * x, y * x)
    voxels = z * y * x
    sample = sum(
        math.prod(layout.shape_of(name)) * (2 if layout.is_label(name) else 8)
        for name in layout.arrays
    )
    shard = layout.samples_per_shard * sample
    activations = SLICES * plane * channels * 4
    each = VOXEL_BYTES + (INDEX_BYTES if config.get("latent") else 0)
    stacks = round(STACK_BYTES * 1e6 * megavoxels(layout, layout.stacks))
    # weights lie on disk as float16 and are computed with as float32
    return PROCESS_BYTES + 3 * weights_bytes + activations + each * voxels + stacks + shard


def memory_ahead(layout: Layout) -> int:
    """Bytes that a renderer needs besides where it begins cases ahead
    (factory.rendering.lookahead).
    """
    return AHEAD_BYTES * math.prod(layout.shape)


def edit_seconds(recipe: Recipe) -> float:
    """A core's seconds for the edits of a sample, the mean over groups.

    On the high side: every head is taken to be as large as the largest, and every edit to be
    carried out, whatever its `when`. Raises SubjectError where subjects cannot be read.
    """
    megavoxels = math.prod(needed_shape(recipe)) / 1e6
    samples, spent = 0, 0.0
    for part in case_groups(recipe):
        count = part.count * cases_per_subject(recipe, part)
        edits = [split_edit(edit) for edit in part.template["anatomy"]]
        samples += count
        spent += count * sum(OPERATORS[name].seconds(v, megavoxels) for name, v in edits)
    return spent / max(samples, 1)
