"""The layout: bricks, quantised intensities, and metadata with the same bytes every time."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stored_datasets import RECORD, layout

from factory.storage.dataset.layout import Layout, brick_length, dequantise, quantise, zarr_objects
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.errors import SampleError
from factory.storage.subjects.types import Grid, LabelTable


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


def test_more_than_256_labels_are_stored_in_16_bits(tmp_path):
    names = tuple(f"label_{value}" for value in range(300))
    of = Layout(1, (4, 20, 15), LabelTable(names, ((0, 0, 0),) * 300))
    label = np.arange(1200, dtype=np.uint16).reshape(of.shape) // 4
    grid = Grid.centred(of.shape, (1.0, 1.0, 1.0))
    image = np.zeros(of.shape, np.float32)
    samples = [
        StoredSample('{"id":"a"}', {"image": image, "label": values}, grid.affine, grid.spacing)
        for values in (label, label.astype(np.uint8))
    ]
    dataset = create_dataset(str(tmp_path / "many.zarr"), of, RECORD, "seed: 3\n")
    with pytest.raises(SampleError, match="label is uint8, not uint16"):
        dataset.write_shard(0, 0, samples[1:])
    dataset.write_shard(0, 0, samples[:1])
    dataset.seal()
    stored = dataset.sample(0).arrays["label"]
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, label)
