"""A wider subarachnoid space: outwards by the requested mm, and nothing else changes."""

import json
from pathlib import Path
from typing import Any

import cc3d
import edt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heads import head

from factory.anatomy.edits.external_csf.edit import external_csf
from factory.anatomy.measures import biparietal_mm, occipito_frontal_mm
from factory.errors import AnatomyError
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import FETA, LabelTable

SPACING = (2.0, 2.0, 2.0)
LABEL = np.pad(head(SPACING), 7)
LABEL.setflags(write=False)
CSF = FETA.index("external_csf")


def widened(
    wider_mm: float, label: np.ndarray = LABEL, **more: Any
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    return external_csf(label, SPACING, FETA, wider_mm, **more)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 12), st.floats(0, 12))
def test_labelled_voxels_stay_and_a_larger_width_adds_more(a: float, b: float) -> None:
    less, more = (widened(mm)[0] for mm in sorted((a, b)))
    inside = LABEL > 0
    np.testing.assert_array_equal(more[inside], LABEL[inside])
    assert set(np.unique(more[~inside])) <= {0, CSF}
    assert not ((less > 0) & (more == 0)).any()
    distance = edt.edt(~inside, anisotropy=SPACING)
    assert distance[more > 0].max() <= max(a, b) + 2  # a voxel


@pytest.mark.parametrize("mm", [3.0, 6.0])
def test_a_head_grows_by_twice_as_much_at_any_spacing(mm: float) -> None:
    for step in (1.0, 0.5):
        spacing = (step,) * 3
        label = np.pad(head(spacing), round(8 / step))
        new, _, record = external_csf(label, spacing, FETA, mm)
        for diameter in (biparietal_mm, occipito_frontal_mm):
            grown = diameter(new, spacing, FETA) - diameter(label, spacing, FETA)
            assert grown == pytest.approx(2 * mm, abs=2 * step)
        gained = ((new == CSF).sum() - (label == CSF).sum()) * step**3 / 1000
        assert record["gained_volume_ml"] == pytest.approx(gained)


def test_the_skull_stays_in_one_piece() -> None:
    label, _, _ = widened(8)
    for mask, connectivity in ((label > 0, 26), (label == 0, 6)):
        _, count = cc3d.connected_components(mask, connectivity=connectivity, return_N=True)
        assert count == 1


def test_a_strength_of_zero_changes_nothing_and_the_input_stays() -> None:
    image = LABEL.astype(np.float32)
    label, painted, record = widened(0, image=image)
    np.testing.assert_array_equal(label, LABEL)
    np.testing.assert_array_equal(painted, image)
    assert label is not LABEL
    assert painted is not image
    assert json.loads(json.dumps(record)) == record


def test_the_image_shows_fluid_in_the_new_space() -> None:
    image = np.where(LABEL == CSF, np.float32(800), LABEL.astype(np.float32))
    label, painted, _ = widened(5, image=image)
    assert painted is not None
    np.testing.assert_allclose(painted[label != LABEL], 800, atol=1)
    np.testing.assert_array_equal(painted[label == LABEL], image[label == LABEL])


def test_the_order_of_the_axes_does_not_matter() -> None:
    spacing = (2.0, 1.5, 2.5)
    label = np.pad(head(spacing, yaw=8, roll=5), 6)
    one, _, _ = external_csf(label, spacing, FETA, 4.0)
    for order in ((1, 2, 0), (2, 1, 0)):
        turned = tuple(spacing[axis] for axis in order)
        other, _, _ = external_csf(np.ascontiguousarray(label.transpose(order)), turned, FETA, 4.0)
        differ = (other != one.transpose(order)).sum() / (one != label).sum()
        assert differ < 1e-3  # rounding


def test_impossible_requests_are_refused_in_one_line() -> None:
    for mm in (-1.0, 15.1, float("nan")):
        with pytest.raises(AnatomyError, match=r"allowed are 0 to 15 mm"):
            widened(mm)
    tight = head(SPACING)
    with pytest.raises(AnatomyError, match=r"wider_mm is 12; the head would leave the array"):
        widened(12, tight)
    bare = LabelTable(FETA.names[:1] + FETA.names[2:], FETA.colours[1:])
    with pytest.raises(AnatomyError, match="no external_csf"):
        external_csf(LABEL, SPACING, bare, 2.0)


def test_a_real_head_with_hardly_any_csf_gets_some_all_around(real_data: Path) -> None:
    [record] = list_bids_subjects(real_data / "fetal-spina-bifida", None, None, ["sub-ga22pre"])
    subject = load_subject(record, None)
    padded, spacing = np.pad(subject.label, 8), subject.grid.spacing
    label, _, record = external_csf(padded, spacing, FETA, 3.0)
    beside = edt.edt(label > 0, anisotropy=spacing) <= spacing[0]
    outermost = label[beside & (label > 0)]
    assert (outermost == CSF).all()
    np.testing.assert_array_equal(label[padded > 0], padded[padded > 0])
