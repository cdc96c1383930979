"""Painting without a network: what the brightness of each label becomes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from factory.families.contrast.draw import draw_channels
from factory.families.contrast.filters import average_partial_volume, smooth_volume, thicken_slices
from factory.families.contrast.layers import divide_labels
from factory.families.contrast.paint import Look, paint_labels, scale_to_unit
from factory.families.contrast.presets import PRESETS, DrawnContrast, draw_preset
from factory.families.contrast.texture import correlated_noise, texture_of_image
from factory.families.contrast.tissues import class_names, tissue_of

CPU = torch.device("cpu")
NAMES = ("background", "left_kidney", "right_kidney", "liver", "skull")


def _blocks(length: int = 24) -> np.ndarray:
    """Return a label map of five slabs along x."""
    label = np.zeros((length, length, length), np.uint8)
    for value in range(1, 5):
        label[4:-4, 4:-4, 4 * value : 4 * value + 4] = value
    return label


def test_left_and_right_share_a_class_and_other_labels_do_not():
    assert class_names(NAMES) == (
        "background", "left_kidney", "left_kidney", "liver", "skull",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "tissue"),
    [
        ("left_cerebral_white_matter", "white_matter"),
        ("right_cerebral_cortex", "grey_matter"),
        ("left_cerebellum_white_matter", "white_matter"),
        ("left_inf_lat_vent", "fluid"),
        ("external_csf", "fluid"),
        ("cortical_bone", "bone"),
        ("cancellous_bone", "cancellous_bone"),
        ("lv_pool", "vessel"),
        ("myocardium", "myocardium"),
        ("gizmo", "other"),
    ],
)
def test_the_words_of_a_name_decide_its_tissue(name, tissue):
    assert tissue_of(name) == tissue


@settings(deadline=None, max_examples=20)
@given(preset=st.sampled_from(PRESETS), seed=st.integers(0, 1000))
def test_a_class_has_one_contrast_and_a_seed_gives_it_again(preset, seed):
    classes = class_names(NAMES)
    first, again = (draw_preset(preset, classes, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first.means, again.means)
    assert first.means[1] == first.means[2]
    assert (first.sds >= 0).all()
    assert np.isfinite(first.means).all()


@pytest.mark.parametrize(
    ("preset", "ordered"),
    [
        ("t1w", ("fluid", "grey_matter", "white_matter", "fat")),
        ("t2w", ("bone", "white_matter", "grey_matter", "fluid")),
        ("flair", ("fluid", "white_matter", "lesion")),
        ("ct", ("air", "lung", "fat", "fluid", "grey_matter", "bone")),
    ],
)
def test_tissues_have_the_order_of_brightness_that_radiologists_know(preset, ordered):
    for seed in range(50):
        contrast = draw_preset(preset, ordered, np.random.default_rng(seed))
        assert (np.diff(contrast.means) > 0).all(), (seed, contrast.means)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 100), blur_mm=st.sampled_from([0.0, 1.0]))
def test_a_label_has_the_mean_and_spread_that_were_drawn(seed, blur_mm):
    label = np.repeat(np.arange(2, dtype=np.uint8), 20)[:, None, None] * np.ones(
        (1, 40, 40), np.uint8
    )
    contrast = DrawnContrast(np.array([0.2, 0.8]), np.array([0.01, 0.05]))
    look = Look(texture_scales_mm=(0.0,), blur_mm=0.0)
    image = paint_labels(label, (1, 1, 1), contrast, look, np.random.default_rng(seed), CPU)
    inside = image[25:]
    assert inside.mean() == pytest.approx(0.8, abs=0.005)
    assert inside.std() == pytest.approx(0.05, rel=0.05)
    smooth = paint_labels(
        label, (1, 1, 1), contrast, Look(blur_mm=blur_mm), np.random.default_rng(seed), CPU
    )
    assert smooth[25:].mean() == pytest.approx(0.8, abs=0.02)


def test_partial_volume_is_what_painting_finer_and_averaging_gives():
    coarse = torch.from_numpy(np.random.default_rng(0).random((6, 7, 8), np.float32))
    finer = coarse
    for axis in range(3):  # linear interpolation at a quarter voxel to both sides, then the mean
        n = finer.shape[axis]
        ends = finer.narrow(axis, 0, 1), finer.narrow(axis, n - 1, 1)
        padded = torch.cat([ends[0], finer, ends[1]], axis)
        before, after = padded.narrow(axis, 0, n), padded.narrow(axis, 2, n)
        finer = ((0.75 * finer + 0.25 * before) + (0.75 * finer + 0.25 * after)) / 2
    torch.testing.assert_close(average_partial_volume(coarse), finer)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.8, 0.8)])
def test_a_blur_has_the_width_that_is_asked_for(spacing):
    point = torch.zeros(31, 31, 31)
    point[15, 15, 15] = 1
    smooth = smooth_volume(point, spacing, 4.0).numpy()
    assert smooth.sum() == pytest.approx(1, abs=1e-3)
    for axis, step in enumerate(spacing):
        others = tuple(other for other in range(3) if other != axis)
        profile = smooth.sum(axis=others)
        positions = (np.arange(31) - 15) * step
        width = np.sqrt(8 * np.log(2) * (profile * positions**2).sum())
        assert width == pytest.approx(4.0, rel=0.05)


def test_thick_slices_keep_the_shape_and_the_mean_and_lose_detail_along_one_axis():
    volume = torch.from_numpy(np.random.default_rng(0).random((40, 20, 20), np.float32))
    thick = thicken_slices(volume, (1, 1, 1), 5.0, 0)
    assert thick.shape == volume.shape
    assert float(thick.mean()) == pytest.approx(float(volume.mean()), abs=0.01)
    along, across = thick.diff(dim=0).abs().mean(), thick.diff(dim=1).abs().mean()
    assert along < across / 2
    assert thicken_slices(volume, (1, 1, 1), 0.5, 0) is volume


@pytest.mark.parametrize("scales", [(0.0,), (8.0,), (0.0, 4.0, 16.0)])
def test_texture_has_mean_0_and_spread_1_and_is_smooth_at_its_scale(scales):
    field = correlated_noise((48, 48, 48), (1, 1, 1), scales, np.random.default_rng(0), CPU).numpy()
    assert field.mean() == pytest.approx(0, abs=0.01)
    assert field.std() == pytest.approx(1, abs=0.01)
    neighbours = np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1]
    assert (neighbours > 0.8) == (0.0 not in scales)


def test_brightness_1_is_the_bright_part_of_the_labelled_voxels():
    label = _blocks()
    image = np.where(label == 3, 4.0, 1.0).astype(np.float32)
    scaled = scale_to_unit(image, label, 1.0)
    assert scaled[label == 3].max() == pytest.approx(1)
    np.testing.assert_allclose(scale_to_unit(image, label, 2.0), scaled**2, rtol=1e-6)


def test_a_bright_background_is_not_clipped():
    label = _blocks()
    image = np.where(label > 0, 0.3, 0.9).astype(np.float32)
    scaled = scale_to_unit(image, label, 1.0)
    assert scaled.max() == pytest.approx(1)
    assert scaled[label > 0].max() == pytest.approx(1 / 3)


def test_what_the_recipe_says_of_a_label_or_a_class_counts():
    section = {
        "preset": "random",
        "classes": {"organs": ["left_kidney", "right_kidney", "liver"]},
        "labels": {"organs": {"mean": 0.4}, "skull": {"mean": 0.9, "sd": 0.0}},
    }
    contrast = draw_channels(section, NAMES, 3)[0].contrast
    assert contrast.means[1:].tolist() == [0.4, 0.4, 0.4, 0.9]
    assert contrast.sds[1] == contrast.sds[3] > 0 == contrast.sds[4]


def test_a_region_of_the_recipe_may_be_given_a_brightness_and_one_side_alone_too():
    section = {"labels": {"kidneys": {"mean": 0.4}, "left_kidney": {"mean": 0.2}}}
    regions = {"kidneys": ("left_kidney", "right_kidney")}
    contrast = draw_channels(section, NAMES, 3, regions)[0].contrast
    assert contrast.means[1:3].tolist() == [0.2, 0.4]


def test_a_class_looks_like_the_tissue_of_its_first_label():
    section = {"preset": "t2w", "classes": {"parts": ["liver", "skull"]}}
    contrast = draw_channels(section, NAMES, 3)[0].contrast
    assert contrast.means[3] == contrast.means[4] > 0.02


def test_a_fitted_population_is_drawn_with_its_means_spreads_and_correlation():
    row = {"mean": 0.5, "mean_spread": 0.1, "sd": 0.02, "sd_spread": 0.0}
    fitted = {
        "people": 1000,
        "labels": {"liver": row, "skull": row | {"mean": 0.2}},
        "correlation": [[1, 0.9], [0.9, 1]],
    }
    draws = np.array(
        [draw_channels({"fitted": fitted}, NAMES, seed)[0].contrast.means for seed in range(400)]
    )
    liver, skull = draws[:, 3], draws[:, 4]
    assert liver.mean() == pytest.approx(0.5, abs=0.02)
    assert liver.std() == pytest.approx(0.1, abs=0.02)
    assert np.corrcoef(liver, skull)[0, 1] == pytest.approx(0.9, abs=0.05)


def test_channels_are_drawn_apart_and_one_more_changes_no_other():
    section = {"channels": {"t1w": {"preset": "t1w"}, "t2w": {"preset": "t2w"}}}
    both = draw_channels(section, NAMES, 1)
    alone = draw_channels({"channels": {"t2w": {"preset": "t2w"}}}, NAMES, 1)
    assert [channel.name for channel in both] == ["t1w", "t2w"]
    np.testing.assert_array_equal(both[1].contrast.means, alone[0].contrast.means)


def test_layers_by_depth_lie_one_above_the_other():
    label = np.zeros((30, 30, 30), np.uint8)
    label[3:-3, 3:-3, 3:-3] = 3
    layers = {"liver": {"count": 3, "by": "depth", "spread": 0.1}}
    layered = divide_labels(label, (1, 1, 1), NAMES, layers, None)
    middle = layered.label[15, 15]
    assert middle[3] == len(NAMES)
    assert middle[15] == len(NAMES) + 2
    assert (np.diff(middle[3:15].astype(int)) >= 0).all()
    assert set(np.unique(layered.label[label == 3])) == {5, 6, 7}


def test_layers_between_two_surfaces_count_from_the_first():
    label = _blocks()  # right_kidney lies between left_kidney and liver
    layers = {
        "right_kidney": {"count": 2, "by": "depth", "spread": 0.1}
        | {"from_label": "left_kidney", "to_label": "liver"}
    }
    row = divide_labels(label, (1, 1, 1), NAMES, layers, None).label[12, 12]
    assert row[8:12].tolist() == [5, 5, 6, 6]


def test_layers_by_image_follow_its_brightness():
    label = _blocks()
    image = np.random.default_rng(0).normal(0.3, 0.02, label.shape).astype(np.float32)
    image[:12] += 0.5
    layers = {"liver": {"count": 2, "by": "image", "spread": 0.1}}
    layered = divide_labels(label, (1, 1, 1), NAMES, layers, image).label
    inside = label == 3
    assert (layered[:12][inside[:12]] == 6).all()
    assert (layered[12:][inside[12:]] == 5).all()


def test_the_texture_of_an_image_is_the_same_whatever_its_contrast():
    label = _blocks()
    image = np.random.default_rng(0).normal(0.3, 0.05, label.shape).astype(np.float32)
    texture = texture_of_image(image, label)
    recoloured = image * np.array([3.0, 1.0, 0.2, 2.0, 1.0], np.float32)[label] + label
    np.testing.assert_allclose(texture_of_image(recoloured, label), texture, atol=1e-3)
    for value in np.unique(label):
        inside = texture[binary_erosion(np.pad(label == value, 1, mode="edge"))[1:-1, 1:-1, 1:-1]]
        assert inside.mean() == pytest.approx(0, abs=0.01)
        assert inside.std() == pytest.approx(1, abs=0.01)
