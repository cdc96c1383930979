import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from factory.storage.errors import SubjectError
from factory.storage.subjects.resample import (
    axis_aligned_grid,
    crop_to_shape,
    resample,
    resample_image_onto,
)
from factory.storage.subjects.types import FETA, Grid, Subject


def ball(spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> Subject:
    """White matter in an ellipsoid off the centre, ventricles in its upper left; image blurred."""
    grid = Grid.centred(shape, spacing)
    z, y, x = np.meshgrid(
        *[np.arange(n) * s - (n - 1) / 2 * s for n, s in zip(shape, spacing, strict=True)],
        indexing="ij",
    )
    radius = np.sqrt((z / 10) ** 2 + ((y - 2) / 12) ** 2 + ((x + 1) / 9) ** 2)
    label = np.where(radius < 1, 3, 0).astype(np.uint8)
    label[(z - 3) ** 2 + (y - 2) ** 2 + (x + 4) ** 2 < 3**2] = 4
    image = (100 * np.clip((1.2 - radius) * 3, 0, 1)).astype(np.float32)
    return Subject("ball", label, grid, FETA, image, {"rec": "x"})


def centroid_mm(subject: Subject, value: int) -> np.ndarray:
    zyx = np.argwhere(subject.label == value).mean(0)
    return (subject.grid.affine @ [*zyx[::-1], 1])[:3]


@settings(max_examples=20, deadline=None)
@given(
    old=st.tuples(*[st.floats(0.6, 1.6)] * 3),
    new=st.floats(0.6, 2.0),
)
def test_every_voxel_takes_the_label_of_the_nearest_old_one_in_the_world(
    old: tuple[float, float, float], new: float
) -> None:
    """Wherever spacings are not nearly in a whole ratio: see test_label_resampling."""
    ratios = np.array([max(s / new, new / s) for s in old])
    assume(not (np.abs(ratios - np.round(ratios)) < 0.13).any())
    z, y, x = (round(n / s) for n, s in zip((30, 36, 27), old, strict=True))
    before = ball(old, (z, y, x))
    after = resample(before, new)
    assert after.grid.spacing == (new, new, new)
    np.testing.assert_allclose(np.diag(after.grid.affine)[:3], new)
    new_zyx = np.indices(after.label.shape).reshape(3, -1)
    world = after.grid.affine @ np.vstack([new_zyx[::-1], np.ones(new_zyx.shape[1])])
    old_zyx = (np.linalg.inv(before.grid.affine) @ world)[2::-1]
    tie = (np.abs(old_zyx % 1 - 0.5) < 1e-6).any(0)
    last = np.array(before.label.shape)[:, None] - 1
    expected = before.label[tuple(np.rint(old_zyx).astype(int).clip(0, last))]
    np.testing.assert_array_equal(after.label.ravel()[~tie], expected[~tie])
    assert (after.label > 0).any()
    assert after.image is not None
    assert after.image.dtype == np.float32
    assert after.metadata == before.metadata


def test_the_same_spacing_is_the_identity() -> None:
    subject = ball((0.8, 0.8, 0.8), (30, 40, 32))
    assert resample(subject, 0.8) is subject


def test_volumes_and_centroids_are_kept() -> None:
    before = ball((0.5, 0.5, 0.5), (60, 72, 54))
    for spacing in (0.3, 0.8, 1.0):
        after = resample(before, spacing)
        for value in (3, 4):
            apart = np.linalg.norm(centroid_mm(after, value) - centroid_mm(before, value))
            assert apart < 0.3
        ratio = (after.label > 0).sum() / (before.label > 0).sum()
        assert ratio * (spacing / 0.5) ** 3 == pytest.approx(1, abs=0.03)


def test_the_image_stays_on_its_labels_and_linear_ramps_stay_linear() -> None:
    subject = ball((0.5, 0.5, 0.5), (60, 72, 54))
    z = np.arange(60, dtype=np.float32)[:, None, None]
    ramp = Subject("r", subject.label, subject.grid, FETA, np.broadcast_to(z, (60, 72, 54)))
    for spacing in (0.35, 1.3):
        image, label = resample(ramp, spacing).image, resample(subject, spacing)
        assert image is not None
        steps = np.diff(image[5:-5, 3, 3])
        np.testing.assert_allclose(steps, spacing / 0.5, rtol=1e-4)
        assert label.image is not None
        assert label.image[label.label == 3].mean() > 70
        assert label.image[label.label == 0].mean() < 10


def test_downsampling_does_not_alias() -> None:
    grid = Grid.centred((64, 64, 64), (1.0, 1.0, 1.0))
    checks = np.indices((64, 64, 64)).sum(0) % 2 * 100
    label = np.full((64, 64, 64), 3, np.uint8)
    image = resample(Subject("c", label, grid, FETA, checks.astype(np.float32)), 3.0).image
    assert image is not None
    inner = image[2:-2, 2:-2, 2:-2]
    assert np.abs(inner - 50).max() < 5


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(*[st.integers(26, 60)] * 3))
def test_cropping_centres_the_brain_and_moves_nothing_in_the_world(
    shape: tuple[int, int, int],
) -> None:
    before = ball((1.0, 1.0, 1.0), (28, 33, 27))
    after = crop_to_shape(before, shape)
    assert after.label.shape == after.grid.shape == shape
    assert after.image is not None
    for value in (3, 4):
        np.testing.assert_allclose(centroid_mm(after, value), centroid_mm(before, value))
        assert (after.label == value).sum() == (before.label == value).sum()
    where = np.argwhere(after.label)
    margins = where.min(0), np.array(shape) - 1 - where.max(0)
    assert np.abs(margins[0] - margins[1]).max() <= 1
    inside = after.label > 0
    np.testing.assert_array_equal(after.image[inside], before.image[before.label > 0])


@pytest.mark.parametrize("dark", [-1000, 0])
def test_what_lies_beyond_an_image_is_dark(dark: float) -> None:
    """Of CT that is air, not the 0 HU of water, where an image is padded or straightened."""
    label = np.zeros((6, 6, 6), np.uint8)
    label[2:4, 2:4, 2:4] = 1
    image = np.where(label, 60, dark).astype(np.float32)
    turn = np.diag([2.0, 2, 2, 1])
    turn[:2, :2] = 2 * np.array([[0.8, -0.6], [0.6, 0.8]])
    ct = Subject("ct", label, Grid((6, 6, 6), (2, 2, 2), turn), FETA, image)
    padded = crop_to_shape(ct, (9, 9, 9)).image
    straight = resample_image_onto(image, turn, axis_aligned_grid((6, 6, 6), turn))
    assert padded is not None
    for changed in (padded, straight):
        assert changed[:, 0, 0] == pytest.approx(dark)
        assert changed.max() > dark


def test_a_brain_that_does_not_fit_says_what_would() -> None:
    subject = ball((1.0, 1.0, 1.0), (28, 33, 27))
    with pytest.raises(SubjectError, match=r"20 × 23 × 17 voxels .*20 × 20 × 20; the smallest"):
        crop_to_shape(subject, (20, 20, 20))
    empty = Subject("e", subject.label * 0, subject.grid, FETA)
    with pytest.raises(SubjectError, match="empty"):
        crop_to_shape(empty, (40, 40, 40))
