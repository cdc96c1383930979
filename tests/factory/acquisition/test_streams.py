"""Random draws: bias fields, signal voids, motion, and their streams."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.volumes import ball, block

from factory.acquisition import bias_field, dropouts, motion
from factory.acquisition.streams import random_stream


@settings(max_examples=30, deadline=None)
@given(order=st.integers(1, 5), strength=st.floats(0, 1), seed=st.integers(0, 2**64 - 1))
def test_a_bias_field_is_positive_smooth_of_mean_one_and_as_strong_as_asked(
    order: int, strength: float, seed: int
) -> None:
    _, label, grid = ball((18, 22, 20), (2.0, 2.0, 2.0))
    rng = random_stream(seed, 0, "bias_field")
    field = bias_field.draw_bias_field(order, strength, label > 0, grid.spacing, rng)
    gain = field.at([2.0 * np.arange(n) for n in label.shape])
    inside = gain[label > 0]
    assert (gain > 0).all()
    assert inside.mean() == pytest.approx(1, abs=1e-6)
    assert np.ptp(inside) == pytest.approx(strength, abs=1e-6)
    assert (field.least, field.most) == (pytest.approx(inside.min()), pytest.approx(inside.max()))
    # A polynomial of low order under an exponential: neighbours 2 mm apart hardly differ.
    steps = [np.abs(np.diff(np.where(label > 0, gain, np.nan), axis=a)) for a in range(3)]
    assert max(np.nanmax(s) for s in steps) <= 0.75 * strength + 1e-9


def test_voids_have_their_number_and_size() -> None:
    image, label = block((20, 80, 60))
    label[:, :25] = label[:, 55:] = label[:, :, :25] = label[:, :, 35:] = label[:5] = 0
    rng = np.random.Generator(np.random.Philox(5))
    holed, count = dropouts.add_signal_voids(image, label, 0.4, 12.0, (1.0, 1.0), rng)
    dark = (holed < 0.5).sum(axis=(1, 2))
    assert count == np.count_nonzero(dark) == 6
    assert not dark[:5].any()
    np.testing.assert_allclose(dark[dark > 0], np.pi * 6**2, rtol=0.05)
    assert holed.max() <= 1
    assert image.min() == 1


def test_drift_has_the_asked_spread_is_smooth_in_time_and_jerks_are_alone() -> None:
    smooth = {"translation_mm": 2.0, "rotation_degrees": 3.0, "jerk_share": 0.0}
    poses = [motion.draw_motion(smooth, 40, seed, 0) for seed in range(200)]
    assert np.std([d.shift_mm for d in poses]) == pytest.approx(2, rel=0.1)
    assert np.std([d.turn_degrees for d in poses]) == pytest.approx(3, rel=0.1)
    order = motion.interleaved_times(40).argsort()
    assert order.tolist() == [*range(0, 40, 2), *range(1, 40, 2)]
    in_time, in_space = (
        np.mean([np.abs(np.diff(d.shift_mm[o], axis=0)).mean() for d in poses])
        for o in (order, np.arange(40))
    )
    assert in_time < 0.25 * in_space
    for seed in range(20):
        calm = motion.draw_motion(smooth, 40, seed, 0).shift_mm
        jerky = motion.draw_motion(smooth | {"jerk_share": 0.15}, 40, seed, 0).shift_mm
        assert np.count_nonzero((calm != jerky).any(axis=1)) == 6


@pytest.mark.parametrize("seed", [0, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1])
def test_every_seed_of_64_bits_counts(seed: int) -> None:
    other = seed ^ 1
    for defect in ("drift", "noise"):
        first, second = (random_stream(s, 0, defect).random(4) for s in (seed, other))
        assert not np.array_equal(first, second)
