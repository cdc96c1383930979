"""Scores and profiles of fused volumes, on a phantom whose scores are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from factory.families.cnn_fusion.scoring import markdown, score_versions
from factory.imaging.intensities import normalise
from factory.metrics.intensity_profiles import draw_intensity_profiles
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import Subject


@pytest.fixture(scope="module")
def subject() -> Subject:
    plain = phantom(28.0, 1, 4.0)
    tones = np.array([0, 0.8, 0.5, 0.6, 0.9, 0.55, 0.5, 0.45], np.float32) * 1000
    rng = np.random.Generator(np.random.Philox(key=1))
    image = tones[plain.label] + (plain.label > 0) * rng.normal(0, 20, plain.label.shape)
    return Subject("sub-1", plain.label, plain.grid, plain.table, image.astype(np.float32))


def test_an_image_scores_as_itself_and_a_darker_one_only_by_its_own_percentile(
    subject: Subject,
) -> None:
    assert subject.image is not None
    itself = normalise(subject.image, subject.label)
    same, darker = score_versions(subject, {"mean": itself, "cnn": itself * 0.9})
    for row in (same, darker):
        assert row["ssim"] == pytest.approx(1, abs=1e-4)
        assert row["psnr"] > 60
    assert same["as_is_ssim"] == pytest.approx(1, abs=1e-4)
    assert darker["as_is_mse"] > 1e-3
    assert darker["as_is_psnr"] == pytest.approx(-10 * np.log10(darker["as_is_mse"]))
    assert "sub-1 | cnn" in markdown(pd.DataFrame([same, darker]))


def test_profiles_are_drawn(subject: Subject, tmp_path: Path) -> None:
    assert subject.image is not None
    versions = {"mean": normalise(subject.image, subject.label)}
    draw_intensity_profiles(subject, versions, tmp_path / "profiles.png", ", same subject")
    assert (tmp_path / "profiles.png").stat().st_size > 10_000
