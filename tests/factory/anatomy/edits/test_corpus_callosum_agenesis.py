"""Corpus callosum agenesis: its back part becomes a fissure, and nothing else changes."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heads import coordinates, head

from factory.anatomy.edits.corpus_callosum_agenesis.edit import corpus_callosum_agenesis
from factory.errors import AnatomyError
from factory.storage.subjects.types import FETA
from factory.storage.subjects.types import FETA_WITH_CALLOSUM as TABLE

CSF, WHITE, CALLOSUM = TABLE.indices(["external_csf", "white_matter", "corpus_callosum"])


def head_with_callosum(spacing: tuple[float, float, float]) -> np.ndarray:
    """A bar 40 mm long, 16 wide and 4 high across the midline, above the ventricles."""
    label = head(spacing)
    z, y, x = coordinates(spacing)
    label[(np.abs(z - 12) <= 2) & (np.abs(y) <= 20) & (np.abs(x) <= 8)] = CALLOSUM
    label.setflags(write=False)
    return label


SPACING = (1.5, 1.5, 1.5)
LABEL = head_with_callosum(SPACING)


def without(**more: Any) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    return corpus_callosum_agenesis(LABEL, SPACING, TABLE, **more)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 20))
def test_only_the_callosum_changes_and_a_larger_share_removes_more(
    a: float, b: float, fissure: float
) -> None:
    less, more = (without(share=s, fissure_mm=fissure)[0] for s in sorted((a, b)))
    callosum = LABEL == CALLOSUM
    for label in (less, more):
        np.testing.assert_array_equal(label[~callosum], LABEL[~callosum])
        assert set(np.unique(label[callosum])) <= {CALLOSUM, WHITE, CSF}
    np.testing.assert_array_equal(more[less != LABEL], less[less != LABEL])


def test_a_part_is_missing_behind_and_the_front_stays_at_any_spacing() -> None:
    for step in (1.0, 0.5):
        spacing = (step,) * 3
        old = head_with_callosum(spacing)
        new, _, record = corpus_callosum_agenesis(old, spacing, TABLE, 0.5, 4.0)
        y = np.arange(old.shape[1]) * step
        remaining = y[(new == CALLOSUM).any((0, 2))]
        before = y[(old == CALLOSUM).any((0, 2))]
        assert remaining.max() == before.max()
        assert remaining.min() - before.min() == pytest.approx(20, abs=step)
        assert record["lost_volume_ml"] == pytest.approx(40 * 16 * 4 / 2000, rel=0.2)
        # 4 mm of the bar's 16 are fissure
        share = record["to_external_csf_ml"] / record["lost_volume_ml"]
        assert share == pytest.approx(4 / 16, abs=step / 16)


def test_the_fissure_lies_at_the_midline() -> None:
    new, _, _ = without(fissure_mm=6.0)
    _, _, x = coordinates(SPACING)
    gone = LABEL == CALLOSUM
    off = np.abs(np.broadcast_to(x, LABEL.shape))
    assert off[gone & (new == CSF)].max() <= 3 + 0.8
    assert off[gone & (new == WHITE)].min() >= 3 - 0.8


def test_a_strength_of_zero_changes_nothing_and_the_input_stays() -> None:
    image = LABEL.astype(np.float32)
    label, painted, record = without(share=0.0, image=image)
    np.testing.assert_array_equal(label, LABEL)
    np.testing.assert_array_equal(painted, image)
    assert label is not LABEL
    assert painted is not image
    assert json.loads(json.dumps(record)) == record
    assert (without()[0] != CALLOSUM).all()


def test_impossible_requests_are_refused_in_one_line() -> None:
    for more, words in (
        ({"share": 1.1}, "share is 1.1; allowed are 0 to 1"),
        ({"fissure_mm": float("nan")}, "fissure_mm is nan"),
    ):
        with pytest.raises(AnatomyError, match=words):
            without(**more)
    with pytest.raises(AnatomyError, match="no corpus_callosum in the labels: background, "):
        corpus_callosum_agenesis(LABEL, SPACING, FETA)
    with pytest.raises(AnatomyError, match="the label map has no corpus_callosum"):
        corpus_callosum_agenesis(head(SPACING), SPACING, TABLE)


def test_a_real_callosum_is_removed(real_data: Path) -> None:
    """FreeSurfer's adult labels: 251 to 255 from behind, 2 and 41 white matter, 24 CSF."""
    image: Any = nib.load(real_data / "adult-brain" / "sub-01_dseg.nii.gz")
    values = np.asarray(image.dataobj).astype(int)
    # whatever its header says, the file lies [x, from above, y]
    values = values.transpose(1, 2, 0)[::-1]
    label = np.where(values > 0, TABLE.index("grey_matter"), 0).astype(np.uint8)
    for value, originals in ((WHITE, [2, 41]), (CSF, [24]), (CALLOSUM, range(251, 256))):
        label[np.isin(values, list(originals))] = value
    half, _, _ = corpus_callosum_agenesis(label, (1.0, 1.0, 1.0), TABLE, 0.5)
    lost = [(half != label)[values == v].mean() for v in range(251, 256)]
    assert (lost[0], lost[4]) == (1, 0)  # 251 is the posterior part, 255 the anterior
    new, _, record = corpus_callosum_agenesis(label, (1.0, 1.0, 1.0), TABLE)
    assert not (new == CALLOSUM).any()
    assert record["before_volume_ml"] == pytest.approx((values > 250).sum() / 1000)
