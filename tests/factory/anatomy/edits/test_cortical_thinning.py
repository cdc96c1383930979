"""Cortical thinning: by the requested share, on the requested side, and unbroken."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from support.heads import head

from factory.anatomy.edits.cortical_thinning.edit import GAINS, cortical_thinning
from factory.anatomy.measures.cortical_thickness import cortical_thickness_mm
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA, LabelTable

CSF, GREY, WHITE = FETA.indices(["external_csf", "grey_matter", "white_matter"])


def ball(
    spacing: tuple[float, float, float], white_mm: float = 16.0, cortex_mm: float = 5.0
) -> np.ndarray:
    """White matter of a radius, under a cortex of a thickness and 4 mm of CSF."""
    outside = white_mm + cortex_mm + 4
    axes = [(np.arange(round(2 * (outside + 3) / s)) + 0.5) * s - outside - 3 for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    r = np.sqrt(z**2 + y**2 + x**2)
    label = np.zeros(r.shape, np.uint8)
    for value, radius in ((CSF, outside), (GREY, white_mm + cortex_mm), (WHITE, white_mm)):
        label[r < radius] = value
    label.setflags(write=False)
    return label


SPACING = (1.0, 1.0, 1.0)
BALL = ball(SPACING)
MOST = 0.6


def thinned(
    label: np.ndarray = BALL, **more: Any
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    return cortical_thinning(label, SPACING, FETA, **more)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, MOST), st.floats(0, MOST), st.sampled_from(GAINS))
def test_only_cortex_changes_by_the_share_and_a_larger_share_removes_more(
    a: float, b: float, to: str
) -> None:
    less, more = (thinned(share=share, gains=to)[0] for share in sorted((a, b)))
    cortex = BALL == GREY
    for share, label in zip(sorted((a, b)), (less, more), strict=True):
        np.testing.assert_array_equal(label[~cortex], BALL[~cortex])
        assert set(np.unique(label[cortex])) <= {GREY, FETA.index(to)}
        assert (label[cortex] != GREY).sum() == pytest.approx(share * cortex.sum(), abs=0.51)
    assert not ((more == GREY) & (less != GREY)).any()


@pytest.mark.parametrize("gains", GAINS)
def test_the_cortex_is_removed_on_the_side_that_gains_and_stays_unbroken(gains: str) -> None:
    label, _, _ = thinned(share=MOST, gains=gains)
    r = np.sqrt(
        sum((np.indices(BALL.shape) - (np.array(BALL.shape) - 1)[:, None, None, None] / 2) ** 2)
    )
    removed, remaining = (BALL == GREY) & (label != GREY), label == GREY
    inwards = gains == "white_matter"
    assert (r[removed].mean() < r[remaining].mean()) == inwards
    around = ndimage.binary_dilation(label == WHITE) & ~(label == WHITE)
    assert (label[around] == GREY).all()


def test_a_shell_gets_the_requested_thickness_at_any_spacing() -> None:
    for step, gains in itertools.product((1.0, 0.5), GAINS):
        label, spacing = ball((step,) * 3), (step,) * 3
        _, _, record = cortical_thinning(label, spacing, FETA, thickness_mm=3.0, gains=gains)
        assert record["before_thickness_mm"] == pytest.approx(5, abs=0.25)
        assert record["achieved_thickness_mm"] == pytest.approx(3, abs=step / 2)


def test_two_banks_that_touch_are_separated() -> None:
    """White matter on either side of 8 mm of cortex, with no CSF between: 4 mm each."""
    label = np.zeros((16, 20, 30), np.uint8)
    label[:, :, 2:28] = WHITE
    label[:, :, 11:19] = GREY
    new, _, _ = thinned(label, share=0.5, gains="white_matter")
    np.testing.assert_array_equal((new == GREY).any((0, 1)), np.isin(np.arange(30), range(13, 17)))


def test_a_strength_of_zero_changes_nothing_and_the_input_stays() -> None:
    image = BALL.astype(np.float32)
    label, painted, record = thinned(share=0.0, image=image)
    np.testing.assert_array_equal(label, BALL)
    np.testing.assert_array_equal(painted, image)
    assert label is not BALL
    assert painted is not image
    assert json.loads(json.dumps(record)) == record


def test_an_image_shows_the_tissue_that_gained() -> None:
    image = np.array([0, 900, 300, 500], np.float32)[BALL]
    for gains, bright in (("external_csf", 900), ("white_matter", 500)):
        label, painted, _ = thinned(share=0.4, gains=gains, image=image)
        assert painted is not None
        np.testing.assert_allclose(painted[label != BALL], bright, atol=1)
        np.testing.assert_array_equal(painted[label == BALL], image[label == BALL])


def test_the_order_of_the_axes_hardly_matters() -> None:
    """The order may only break ties between voxels of equal depth."""
    label = head((1.5,) * 3, yaw=7, roll=4)
    spacing = (1.5,) * 3
    one, _, _ = cortical_thinning(label, spacing, FETA, share=0.3)
    for order in ((1, 2, 0), (2, 1, 0)):
        other, _, _ = cortical_thinning(label.transpose(order), spacing, FETA, share=0.3)
        differ = (other != one.transpose(order)).sum() / (label == GREY).sum()
        assert differ < 0.01


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"share": 0.99}, r"share is 0\.99; .* the largest share is 0\.\d\d"),
        ({"share": -0.1}, r"share is -0\.1; allowed are 0 to 1"),
        ({"share": float("nan")}, r"share is nan"),
        ({"thickness_mm": 9.0}, r"thickness_mm is 9; the cortex is [45]\.\d+ mm thick"),
        ({"thickness_mm": 0.2}, r"0\.2 mm requested; .* the largest share is 0\.\d\d"),
        ({}, r"one of share and thickness_mm"),
        ({"share": 0.1, "thickness_mm": 2.0}, r"one of share and thickness_mm"),
        ({"share": 0.1, "gains": "ventricles"}, r"allowed are external_csf, white_matter"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(more: dict[str, Any], words: str) -> None:
    with pytest.raises(AnatomyError, match=words) as caught:
        thinned(**more)
    assert "\n" not in str(caught.value)


def test_missing_tissues_are_named() -> None:
    bare = LabelTable(("background", "external_csf", "grey_matter"), ((0, 0, 0),) * 3)
    with pytest.raises(AnatomyError, match="white_matter"):
        cortical_thinning(BALL, SPACING, bare, share=0.1)
    with pytest.raises(AnatomyError, match="the label map has no grey_matter"):
        thinned(np.where(BALL == GREY, WHITE, BALL), share=0.1)


def test_a_real_cortex_gets_the_requested_thickness(real_data: Path) -> None:
    [record] = list_bids_subjects(real_data / "fetal-spina-bifida", None, None, ["sub-ga28op"])
    subject = load_subject(record, None)
    for gains in GAINS:
        label, _, record = cortical_thinning(
            subject.label, subject.grid.spacing, FETA, thickness_mm=1.4, gains=gains
        )
        assert 1.5 < record["before_thickness_mm"] < 2.5
        achieved = cortical_thickness_mm(label, subject.grid.spacing, FETA)["mean"]
        assert record["achieved_thickness_mm"] == pytest.approx(achieved)
        assert achieved == pytest.approx(1.4, abs=min(subject.grid.spacing) / 2)
        np.testing.assert_array_equal(label == 0, subject.label == 0)
