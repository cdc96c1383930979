"""Interpolated anatomies: their ends, numbers of slices, and spacing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from factory.families.label_vae.inference import (
    LabelVaeCodec,
    as_volume,
    interpolate_between,
    interpolate_within,
    resampled_spacing_mm,
)
from factory.families.label_vae.label_maps import resample_slices, slice_positions, subject_maps
from factory.metrics.overlap import label_dice
from factory.models.checkpoint import WeightsError, save_model
from factory.models.label_vae import LabelVae, LabelVaeConfig
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.storage.subjects.types import Subject


def model(folder: Path, shape: tuple[int, ...]) -> LabelVaeCodec:
    """Save and load a model with untrained weights, since only the handling of codes is tested."""
    config = {"labels": 4, "shape": list(shape), "latent": 6, "width": 4, "most": 8}
    torch.manual_seed(0)
    vae = LabelVae(LabelVaeConfig(**config))
    save_model(folder, {"vae": vae}, {"family": "label_vae", "config": config})
    return LabelVaeCodec(folder, torch.device("cpu"))


@pytest.fixture
def pair(hearts: Path) -> tuple[Subject, Subject]:
    first, last = (
        load_subject(list_short_axis_subjects(hearts, [p])[0], 3.0) for p in ("P0", "P1")
    )
    assert len(first.label) != len(last.label)
    return first, last


def test_resampled_slices_have_the_extent_of_the_original_ones() -> None:
    assert resampled_spacing_mm(8.0, 9, 32) == pytest.approx(8 * 8 / 31)
    assert resampled_spacing_mm(10.0, 10, 10) == 10
    assert resampled_spacing_mm(8.0, 1, 1) == 8


def test_the_ends_within_a_subject_are_its_reconstructed_slices(
    tmp_path: Path, pair: tuple[Subject, Subject]
) -> None:
    latents = model(tmp_path, (32, 32))
    for method in ("linear", "spherical"):
        interpolated = interpolate_within(latents, pair[0], 13, method)
        reconstruction = latents.decode(latents.encode(subject_maps(pair[0], (32, 32))))
        assert interpolated.label.shape == (13, 32, 32)
        assert np.array_equal(interpolated.label[0], reconstruction[0])
        assert np.array_equal(interpolated.label[-1], reconstruction[-1])
        slices = int(np.ptp(np.flatnonzero(pair[0].label.any(axis=(1, 2))))) + 1
        assert interpolated.grid.spacing == pytest.approx(((slices - 1) * 8 / 12, 3, 3))


def test_the_original_number_of_slices_gives_all_reconstructions(
    tmp_path: Path, pair: tuple[Subject, Subject]
) -> None:
    latents = model(tmp_path, (32, 32))
    real = subject_maps(pair[0], (32, 32))
    reconstruction = latents.decode(latents.encode(real))
    assert np.array_equal(interpolate_within(latents, pair[0], len(real)).label, reconstruction)


def test_steps_between_subjects_lead_from_one_to_the_other(
    tmp_path: Path, pair: tuple[Subject, Subject]
) -> None:
    latents = model(tmp_path, (32, 32))
    steps = interpolate_between(latents, *pair, steps=3, slices=10)
    assert [s.metadata["t"] for s in steps] == [0.25, 0.5, 0.75]
    assert len({s.id for s in steps}) == 3
    ends = [interpolate_within(latents, s, 10).grid.spacing[0] for s in pair]
    for step, t in zip(steps, (0.25, 0.5, 0.75), strict=True):
        assert step.label.shape == (10, 32, 32)
        assert step.grid.spacing[0] == pytest.approx((1 - t) * ends[0] + t * ends[1])
    # the way back is the same way, but for rounding
    back = interpolate_between(latents, *reversed(pair), steps=3, slices=10)
    assert (back[0].label != steps[-1].label).mean() < 0.01
    assert (back[-1].label != steps[-1].label).mean() > 0.01


def test_steps_between_a_subject_and_itself_are_the_subject(
    tmp_path: Path, pair: tuple[Subject, Subject]
) -> None:
    latents = model(tmp_path, (32, 32))
    for method in ("linear", "spherical"):
        alone = interpolate_within(latents, pair[0], 9, method).label
        for step in interpolate_between(latents, pair[0], pair[0], 2, 9, method):
            assert (step.label != alone).mean() < 0.01  # rounding may move a tie


def test_a_volume_vae_interpolates_whole_hearts(
    tmp_path: Path, pair: tuple[Subject, Subject]
) -> None:
    latents = model(tmp_path, (8, 32, 32))
    reconstruction = latents.decode(latents.encode(subject_maps(pair[0], (8, 32, 32))))
    assert np.array_equal(interpolate_within(latents, pair[0], 8).label, as_volume(reconstruction))
    [step] = interpolate_between(latents, *pair, steps=1, slices=8)
    assert step.label.shape == (8, 32, 32)


def test_samples_from_the_prior_depend_on_the_seed(tmp_path: Path) -> None:
    latents = model(tmp_path, (32, 32))
    assert np.array_equal(latents.draw_from_prior(5, 1), latents.draw_from_prior(5, 1))
    assert not np.array_equal(latents.draw_from_prior(5, 1), latents.draw_from_prior(5, 2))


def test_resampled_stacks_contain_the_original_slices() -> None:
    label = np.zeros((3, 4, 4), np.uint8)
    label[0], label[1], label[2] = 1, 2, 3
    more = resample_slices(label, 5, 4)
    assert np.array_equal(more[::2], label)
    assert np.array_equal(resample_slices(label[:1], 4, 4), np.repeat(label[:1], 4, axis=0))
    assert slice_positions(9, 32)[[0, -1]].tolist() == [0, 8]


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path, {}, {"family": "spade", "config": {}})
    with pytest.raises(WeightsError, match="family 'spade'; expected 'label_vae'"):
        LabelVaeCodec(tmp_path, torch.device("cpu"))


def test_dice_is_twice_the_overlap_divided_by_both_sizes() -> None:
    a, b = np.array([1, 1, 1, 0, 2]), np.array([1, 0, 0, 0, 2])
    assert [label_dice(a, b, v) for v in (1, 2)] == [pytest.approx(2 / 4), 1]
    assert np.isnan(label_dice(a, b, 3))
