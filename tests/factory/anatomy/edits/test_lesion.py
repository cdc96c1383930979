"""Lesions: number, volume and place are as requested, and the same each time."""

import json
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heads import head

from factory.anatomy.edits.lesion.edit import EDGE_MM, lesion, scale_brightness
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA, LabelTable

TABLE = LabelTable((*FETA.names, "lesion"), (*FETA.colours, (213, 94, 0)))
LESION = TABLE.index("lesion")
SPACING = (2.0, 2.0, 2.0)
LABEL = head(SPACING)
LABEL.setflags(write=False)
VOXEL_ML = 0.008


def with_lesion(
    volume_ml: float = 1.0, seed: int = 1, inside: tuple[str, ...] = ("white_matter",), **more: Any
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    return lesion(LABEL, SPACING, TABLE, seed, volume_ml, inside, **more)


def count(mask: np.ndarray) -> int:
    return int(cc3d.connected_components(mask, connectivity=26, return_N=True)[1])


@settings(max_examples=30, deadline=None)
@given(
    volume=st.floats(0, 12),
    seed=st.integers(0, 2**53 - 1),
    number=st.integers(1, 6),
    smooth=st.floats(1, 20),
    inside=st.sets(st.sampled_from(["white_matter", "grey_matter", "cerebellum"]), min_size=1),
)
def test_volume_number_and_place_are_as_requested(
    volume: float, seed: int, number: int, smooth: float, inside: set[str]
) -> None:
    tissues = tuple(sorted(inside))
    if tissues == ("cerebellum",):
        volume /= 10
    label, _, record = with_lesion(volume, seed, tissues, number=number, smoothness_mm=smooth)
    gone = label != LABEL
    assert (label[gone] == LESION).all()
    assert np.isin(LABEL[gone], TABLE.indices(tissues)).all()
    assert gone.sum() * VOXEL_ML == pytest.approx(volume, abs=0.51 * VOXEL_ML)
    assert count(gone) == min(number, gone.sum()) == record["number"]
    assert record["achieved_volume_ml"] == pytest.approx(gone.sum() * VOXEL_ML)
    assert json.loads(json.dumps(record)) == record


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 20), st.floats(0.1, 20), st.integers(0, 10**6))
def test_a_larger_lesion_contains_the_smaller(a: float, b: float, seed: int) -> None:
    less, more = (with_lesion(ml, seed)[0] == LESION for ml in sorted((a, b)))
    assert not (less & ~more).any()


def test_the_seed_determines_the_lesion() -> None:
    one, again, other = (with_lesion(seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_the_shape_does_not_depend_on_the_voxel_size() -> None:
    """The same seed at 1 and at 0.5 mm gives the same place and shape, to a surface voxel."""
    masks = {}
    for step in (1.0, 0.5):
        label = head((step,) * 3)
        new, _, _ = lesion(label, (step,) * 3, TABLE, 4, 3.0, ["white_matter"])
        masks[step] = new == LESION
    centres, extents = [], []
    for step, mask in masks.items():
        where = (np.argwhere(mask) - (np.array(mask.shape) - 1) / 2) * step
        centres.append(where.mean(0))
        extents.append(np.ptp(where, axis=0))
    np.testing.assert_allclose(*centres, atol=1)
    np.testing.assert_allclose(*extents, atol=2)  # a voxel at either end


def test_smoother_lesions_are_rounder() -> None:
    """A ball has the least surface."""

    def faces(smoothness_mm: float) -> float:
        areas = []
        for seed in range(4):
            free = np.full((60, 60, 60), 3, np.uint8)
            new, _, _ = lesion(
                free, (1.0,) * 3, TABLE, seed, 4.0, ["white_matter"], smoothness_mm=smoothness_mm
            )
            mask = new == LESION
            areas.append(sum(np.diff(mask, axis=a).sum() for a in range(3)))
        return float(np.mean(areas))

    assert faces(1.5) > 1.1 * faces(10.0)


def test_a_strength_of_zero_changes_nothing_and_the_input_stays() -> None:
    image = LABEL.astype(np.float32)
    label, painted, _ = with_lesion(0.0, image=image, intensity=2.0)
    np.testing.assert_array_equal(label, LABEL)
    np.testing.assert_array_equal(painted, image)
    assert label is not LABEL
    assert painted is not image


def test_a_second_lesion_of_the_same_label_keeps_its_distance() -> None:
    first, _, _ = with_lesion(1.0)
    second, _, _ = lesion(first, SPACING, TABLE, 1, 1.0, ["white_matter"])
    assert count(second == LESION) == 2
    assert (second == LESION).sum() == 2 * (first == LESION).sum()


def test_too_large_a_volume_is_refused_with_the_largest_possible() -> None:
    cerebellum_ml = np.isin(LABEL, TABLE.indices(["cerebellum"])).sum() * VOXEL_ML
    with pytest.raises(AnatomyError, match=r"the largest that cerebellum can hold is") as caught:
        with_lesion(40.0, inside=("cerebellum",))
    assert float(str(caught.value).split()[-2]) == pytest.approx(cerebellum_ml, abs=0.01)
    with pytest.raises(AnatomyError, match=r"40 ml in 3 requested") as caught:
        with_lesion(40.0, inside=("cerebellum",), number=3)
    most = float(str(caught.value).split()[-2])
    assert 0 < most < cerebellum_ml
    with_lesion(most - 3 * VOXEL_ML, inside=("cerebellum",), number=3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"inside": ()}, r"allowed are other tissues"),
        ({"inside": ("lesion",)}, r"allowed are other tissues"),
        ({"inside": ("whit_matter",)}, r"no whit_matter in the labels: background, "),
        ({"name": "clot"}, r"no clot in the labels"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(more: dict[str, Any], words: str) -> None:
    with pytest.raises(AnatomyError, match=words) as caught:
        with_lesion(**more)
    assert "\n" not in str(caught.value)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 3))
def test_the_intensity_rises_from_the_edge(factor: float) -> None:
    label, painted, _ = with_lesion(8.0, image=np.full(LABEL.shape, 100.0), intensity=factor)
    assert painted is not None
    mask = label == LESION
    np.testing.assert_array_equal(painted[~mask], 100)
    inside = painted[mask] / 100
    low, high = sorted((1.0, factor))
    assert inside.min() >= low - 1e-5
    assert inside.max() <= high + 1e-5
    assert np.isclose(inside, factor).any()
    fine = np.zeros((9, 9, 40), bool)
    fine[:, :, 5:] = True
    ramp = scale_brightness(np.ones(fine.shape), fine, (0.5, 0.5, 0.5), factor)[4, 4]
    assert (np.abs(np.diff(ramp)) <= abs(factor - 1) * 0.5 / EDGE_MM + 1e-5).all()


def test_a_real_head_holds_several_lesions(real_data: Path) -> None:
    [record] = list_bids_subjects(real_data / "fetal-spina-bifida", None, None, ["sub-ga28op"])
    subject = load_subject(record, None)
    new, _, record = lesion(
        subject.label, subject.grid.spacing, TABLE, 7, 3.0, ["white_matter"], number=4
    )
    assert count(new == LESION) == 4
    voxel = float(np.prod(subject.grid.spacing)) / 1000
    assert (new == LESION).sum() * voxel == pytest.approx(3.0, abs=voxel)
