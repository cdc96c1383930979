"""The deformation score: 0 for equal planes, and the right value for a known deformation."""

import numpy as np
import pytest
from scipy import ndimage

from factory.families.ultrasound_to_mri.scoring import deformation_scores
from factory.metrics.deformation import (
    NORM,
    deformation_score,
    displacement_field,
    mean_area_change,
    orient_like,
)

SIDE = 64
ROWS, COLUMNS = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
RADIUS = np.hypot(ROWS / 26, COLUMNS / 21)
BRAIN = RADIUS < 1


def brain() -> np.ndarray:
    """A textured brain without symmetry, brighter at one end."""
    rng = np.random.Generator(np.random.Philox(key=6))
    texture = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3)
    image = 0.5 + 3 * texture + 0.01 * ROWS + 0.004 * COLUMNS
    return np.where(BRAIN, image, -1).astype(np.float32)


def warped(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Resample an image at each pixel plus field [row, column, 2], columns first."""
    at = [np.indices(image.shape)[0] + field[..., 1], np.indices(image.shape)[1] + field[..., 0]]
    return ndimage.map_coordinates(image, at, order=3, mode="nearest").astype(np.float32)


def test_a_plane_and_itself_have_score_0() -> None:
    assert deformation_score(brain(), brain(), BRAIN) < 1e-6


def test_a_known_deformation_is_recovered() -> None:
    waves = 2 * np.sin(COLUMNS / 9), 1.5 * np.cos(ROWS / 8)
    field = np.stack(waves, axis=-1)
    target = warped(brain(), field)
    recovered = displacement_field(brain(), target, spacing=12)
    inside = ndimage.binary_erosion(BRAIN, iterations=4)
    assert np.abs(recovered - field)[inside].mean() < 0.25  # pixels; the waves move up to 2.5
    true = mean_area_change(field, inside)
    assert deformation_score(brain(), target, inside, spacing=12) == pytest.approx(true, rel=0.15)


def test_a_change_of_area_is_scored_as_its_determinant() -> None:
    stretched = np.stack([0.1 * COLUMNS, 0.0 * ROWS], axis=-1)
    assert mean_area_change(stretched, BRAIN) == pytest.approx(0.1 / NORM, rel=1e-6)
    both = np.stack([0.1 * COLUMNS, 0.1 * ROWS], axis=-1)
    assert mean_area_change(both, BRAIN) == pytest.approx(0.21 / NORM, rel=1e-6)
    assert mean_area_change(np.ones((SIDE, SIDE, 2)), BRAIN) == pytest.approx(0, abs=1e-9)


def test_the_score_is_deterministic() -> None:
    other = warped(brain(), np.stack([np.sin(ROWS / 7), np.sin(COLUMNS / 7)], axis=-1))
    assert deformation_score(brain(), other, BRAIN) == deformation_score(brain(), other, BRAIN)


def test_a_head_is_flipped_like_the_reference_before_it_is_compared() -> None:
    for turned in (brain()[::-1], brain()[:, ::-1], brain()[::-1, ::-1]):
        assert np.array_equal(orient_like(turned, brain()), brain())
    scores = deformation_scores([brain()[::-1], brain()], [(brain(), BRAIN)])
    assert scores.shape == (2,)
    assert scores.max() < 1e-6


def test_unsuitable_planes_are_refused() -> None:
    with pytest.raises(ValueError, match="two of one shape"):
        deformation_score(brain(), brain()[1:], BRAIN)
    with pytest.raises(ValueError, match="not finite"):
        deformation_score(np.full((SIDE, SIDE), np.nan), brain(), BRAIN)
    with pytest.raises(ValueError, match="mask of the brain is empty"):
        deformation_score(brain(), brain(), np.zeros_like(BRAIN))
    flat = np.zeros((SIDE, SIDE), np.float32)
    assert deformation_score(flat, brain(), BRAIN) == 0  # there is nothing to bring into line
