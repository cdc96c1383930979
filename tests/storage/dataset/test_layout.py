"""The layout: bricks, quantised intensities, and metadata with the same bytes every time."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.stored_datasets import layout

from factory.storage.dataset.layout import Layout, brick_length, dequantise, quantise, zarr_objects


@given(st.integers(16, 400))
def test_bricks_are_near_64_with_little_padding(length):
    brick = brick_length(length)
    assert brick <= 96
    assert brick >= min(length, 32)
    assert -(-length // brick) * brick - length <= 0.04 * length


def test_bricks_split_usual_sizes_evenly():
    assert [brick_length(n) for n in (64, 96, 112, 128)] == [64, 48, 56, 64]


@given(st.floats(-2, 2), st.floats(0.01, 3), st.lists(st.floats(-5, 5, width=32), min_size=1))
def test_quantising_is_exact_to_half_a_level_and_counts_clipped_voxels(low, width, values):
    image, high = np.array(values, np.float32), low + width
    exact = image.astype(float)
    levels, clipped = quantise(image, low, high)
    back = dequantise(levels, low, high)
    level, rounding = width / 65535, np.spacing(np.float32(5))
    assert np.abs(back - np.clip(exact, low, high)).max() <= level / 2 + rounding
    assert clipped <= np.mean((exact < low) | (exact > high))
    assert clipped >= np.mean((exact < low - level) | (exact > high + level))


def test_metadata_has_the_same_bytes_every_time():
    of = layout(5, 2, ("original", "uncertainty"))
    assert zarr_objects(of, {"a": 1}) == zarr_objects(of, {"a": 1})


def test_a_layout_is_read_back_from_json():
    of = layout(5, 2, ("original",))
    assert Layout.from_json(json.loads(json.dumps(of.to_json()))) == of
