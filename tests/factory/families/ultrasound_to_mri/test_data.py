"""Planes of ultrasound and MR in one frame, and their batches."""

from pathlib import Path

import numpy as np
import pytest
from support.ellipsoids import ellipsoid

from factory.families.ultrasound_to_mri.data import (
    INSIDE_SKULL,
    UnpairedSampler,
    mri_planes,
    ultrasound_plane,
)
from factory.storage.subjects.head_frame import LENGTH, SIDE, mask_ellipse
from factory.storage.subjects.head_ultrasound import list_head_ultrasounds
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import Subject
from factory.training.recipe import Augment


@pytest.fixture(scope="module")
def volume() -> Subject:
    return ellipsoid((18, 22, 17))


def test_a_brain_of_any_size_has_the_same_length_in_the_frame(volume: Subject) -> None:
    planes, masks = mri_planes(volume, reach=0)
    assert planes.shape == masks.shape == (1, SIDE, SIDE)
    assert planes[~masks].mean() < -0.95
    ellipse = mask_ellipse(masks[0])
    assert 2 * ellipse.long == pytest.approx(INSIDE_SKULL * LENGTH, rel=0.02)
    assert abs(ellipse.angle) < 0.1
    assert ellipse.centre == pytest.approx([(SIDE - 1) / 2] * 2, abs=1)


def test_planes_are_centred_on_the_thalami(volume: Subject) -> None:
    one, many = (mri_planes(volume, reach=r)[0] for r in (0, 0.06))
    assert len(many) % 2 == 1
    assert len(many) > 1
    assert np.array_equal(many[len(many) // 2], one[0])


def test_a_volume_without_thalami_or_image_is_refused(volume: Subject) -> None:
    label = np.where(volume.label == 6, 0, volume.label)
    for broken in (
        Subject("a", label, volume.grid, volume.table, volume.image),
        Subject("a", volume.label, volume.grid, volume.table),
    ):
        with pytest.raises(ValueError, match="a: no image, or no deep grey matter"):
            mri_planes(broken)


def test_an_ultrasound_is_black_outside_the_head(ultrasounds: Path) -> None:
    subject = load_subject(list_head_ultrasounds(ultrasounds)[0], None)
    plane = ultrasound_plane(subject)
    assert plane.shape == (SIDE, SIDE)
    assert (plane[subject.label[0] == 0] == -1).all()
    assert -1 <= plane.min() < plane.max() <= 1


def test_batches_depend_on_seed_and_step_and_sets_may_differ_in_size() -> None:
    rng = np.random.Generator(np.random.Philox(key=8))
    us, mri = (rng.uniform(-1, 1, (n, 16, 16)).astype(np.float32) for n in (36, 3))
    sampler = UnpairedSampler(us, mri, Augment(rotate_degrees=5, zoom=0.1, shift_voxels=1), 1)
    for a, b in zip(sampler.batch(3, 4), sampler.batch(3, 4), strict=True):
        assert a.shape == (4, 16, 16)
        assert np.array_equal(a, b)
    assert not np.array_equal(sampler.batch(3, 4)[0], sampler.batch(4, 4)[0])


def test_ultrasounds_are_flipped_in_all_four_ways_and_mr_is_not() -> None:
    ramp = np.arange(64, dtype=np.float32).reshape(8, 8) / 63
    sampler = UnpairedSampler(ramp[None], ramp[None], Augment(), 2)
    batches = [sampler.batch(step, 8) for step in range(8)]
    us, mri = (np.concatenate([b[i] for b in batches]) for i in (0, 1))
    assert {plane.tobytes() for plane in us} == {
        np.ascontiguousarray(way).tobytes()
        for way in (ramp, ramp[::-1], ramp[:, ::-1], ramp[::-1, ::-1])
    }
    assert (mri == ramp).all()
