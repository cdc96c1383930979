"""The procedural brain: the same every time, sized as published, nested as a brain is."""

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from factory.anatomy import measures as measure
from factory.storage.errors import SubjectError
from factory.storage.subjects.growth_curves import (
    biparietal_mm,
    intracranial_mm,
    occipito_frontal_mm,
    skull_mm,
    transcerebellar_mm,
)
from factory.storage.subjects.phantom import phantom, phantom_extent_mm
from factory.storage.subjects.types import FETA, Subject

WEEKS = (20.0, 26.0, 34.0)


@cache
def brain(weeks: float, seed: int = 0, spacing: float = 1.0) -> Subject:
    return phantom(weeks, seed, spacing)


def args(subject: Subject) -> tuple:
    return subject.label, subject.grid.spacing, subject.table


def touching(label: np.ndarray, tissue: str) -> dict[str, float]:
    """Share of a tissue's outer faces that lie against each other tissue."""
    inside = label == FETA.index(tissue)
    counts = np.zeros(len(FETA.names))
    for axis in range(3):
        for shift in (1, -1):
            beside = np.roll(label, shift, axis)
            counts += np.bincount(beside[inside & (beside != FETA.index(tissue))], minlength=8)
    return dict(zip(FETA.names, counts / counts.sum(), strict=True))


def test_the_same_arguments_give_the_same_bytes_and_another_seed_another_brain() -> None:
    again = phantom(26.0, 0, 1.0)
    assert again.label.tobytes() == brain(26.0).label.tobytes()
    assert np.array_equal(again.grid.affine, brain(26.0).grid.affine)
    other = phantom(26.0, 1, 1.0)
    assert other.label.shape != again.label.shape or (other.label != again.label).any()


def test_subject_says_what_it_is() -> None:
    subject = brain(26.0)
    assert subject.id == "phantom-0"
    assert subject.metadata == {"gestational_age_weeks": 26.0, "seed": 0, "pathology": "none"}
    assert subject.label.dtype == np.uint8
    assert subject.label.shape == subject.grid.shape
    assert set(np.unique(subject.label)) == set(range(8))
    assert phantom(20, 3, 2.0, id="a").id == "a"


@pytest.mark.parametrize("weeks", WEEKS)
def test_tight_grid_within_the_planned_extent(weeks: float) -> None:
    subject = brain(weeks)
    inside = np.argwhere(subject.label > 0)
    low, high = inside.min(0), np.array(subject.label.shape) - 1 - inside.max(0)
    assert low.min() >= 1
    assert high.min() >= 1
    assert max(low.max(), high.max()) <= 5
    size = inside.max(0) + 1 - inside.min(0)
    assert (size <= phantom_extent_mm(weeks)).all()


def test_growth_curves_pass_through_the_published_figures() -> None:
    assert biparietal_mm(20) == pytest.approx(47, abs=1.5)
    assert biparietal_mm(35) == pytest.approx(88, abs=1.5)
    assert occipito_frontal_mm(20) == pytest.approx(60, abs=2.5)
    assert occipito_frontal_mm(35) == pytest.approx(112, abs=2.5)
    for weeks in (20, 22, 24):
        assert transcerebellar_mm(weeks) == pytest.approx(weeks, abs=0.5)
    assert 32 <= transcerebellar_mm(30) <= 35
    assert 40 <= transcerebellar_mm(35) <= 43
    assert 0.5 <= skull_mm(20) < skull_mm(36) <= 2.5


@pytest.mark.parametrize("weeks", WEEKS)
def test_diameters_follow_the_curves(weeks: float) -> None:
    width, length = intracranial_mm(weeks)
    label = args(brain(weeks))
    assert measure.biparietal_mm(*label) == pytest.approx(width, rel=0.12)
    assert measure.occipito_frontal_mm(*label) == pytest.approx(length, rel=0.12)
    assert measure.transcerebellar_mm(*label) == pytest.approx(transcerebellar_mm(weeks), rel=0.12)
    for width in measure.atrial_width_mm(*label).values():
        assert 5.5 <= width <= 9.9  # 7.6 ± 0.6, and no ventriculomegaly


def test_volumes_are_those_of_normal_fetuses() -> None:
    # ml, wide bands about published means (Scott 2011, Clouchoux 2012, Kyriakopoulou 2017)
    bands = {
        20.0: {"cerebrum": (25, 45), "cerebellum": (1.0, 2.2), "brainstem": (0.8, 1.8)},
        26.0: {"cerebrum": (65, 115), "cerebellum": (2.5, 5), "brainstem": (1.7, 4)},
        34.0: {"cerebrum": (190, 290), "cerebellum": (9, 15), "brainstem": (4, 7)},
    }
    for weeks, expected in bands.items():
        ml = measure.volumes_ml(*args(brain(weeks)))
        ml["cerebrum"] = ml["grey_matter"] + ml["white_matter"] + ml["deep_grey_matter"]
        for tissue, (low, high) in expected.items():
            assert low <= ml[tissue] <= high, (weeks, tissue, ml[tissue])
        assert 3 <= ml["ventricles"] <= 9


@pytest.mark.parametrize("weeks", WEEKS)
def test_one_component_where_anatomy_has_one(weeks: float) -> None:
    components = measure.components(brain(weeks).label, FETA)
    assert components.pop("ventricles") == 2
    assert set(components.values()) == {1}


@pytest.mark.parametrize("weeks", WEEKS)
def test_nested_as_a_brain(weeks: float) -> None:
    label = brain(weeks).label
    ventricle = touching(label, "ventricles")
    assert ventricle["external_csf"] == 0
    assert ventricle["grey_matter"] < 0.01
    assert ventricle["white_matter"] + ventricle["deep_grey_matter"] > 0.99
    grey = touching(label, "grey_matter")
    assert grey["white_matter"] > 0.25
    assert grey["external_csf"] > 0.25
    assert grey["background"] == 0
    assert touching(label, "white_matter")["external_csf"] < 0.03
    # Deep grey meets CSF at the third ventricle alone.
    assert touching(label, "deep_grey_matter")["external_csf"] < 0.12


@pytest.mark.parametrize("weeks", [20.0, 34.0])
def test_ribbon_is_even(weeks: float) -> None:
    """Almost no grey matter lies deeper than a ribbon's thickness from what it borders."""
    subject = brain(weeks, 0, 0.8)
    grey = subject.label == FETA.index("grey_matter")
    depth = ndimage.distance_transform_edt(grey, sampling=subject.grid.spacing)
    assert np.percentile(depth[grey], 99) < 2.5


def test_the_same_anatomy_at_any_spacing() -> None:
    coarse, fine = (measure.volumes_ml(*args(brain(26.0, 2, s))) for s in (1.6, 0.8))
    for tissue, ml in fine.items():
        assert coarse[tissue] == pytest.approx(ml, rel=0.06), tissue


def test_smooth_before_24_weeks_then_folding_with_age() -> None:
    folds = [measure.gyrification(*args(brain(w))) for w in (20.0, 23.9, 29.0, 34.0)]
    assert folds[1] == pytest.approx(folds[0], abs=0.08)
    assert folds[1] < folds[2] < folds[3]
    assert folds[3] > folds[1] + 0.25


@pytest.mark.parametrize("weeks", [19.9, 38.1, float("nan"), -1.0])
def test_an_age_outside_the_curves_is_refused(weeks: float) -> None:
    for call in (lambda: phantom(weeks, 0, 1.0), lambda: phantom_extent_mm(weeks)):
        with pytest.raises(SubjectError, match="20 to 38") as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), 9.0])
def test_an_impossible_spacing_is_refused(spacing: float) -> None:
    with pytest.raises(SubjectError, match="spacing_mm"):
        phantom(24.0, 0, spacing)
