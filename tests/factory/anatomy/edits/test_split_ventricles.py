import numpy as np
import pytest
from support.heads import head

from factory.anatomy.edits.split_ventricles.edit import split_ventricles
from factory.anatomy.ventricle_parts import ventricle_parts
from factory.errors import AnatomyError
from factory.storage.subjects.types import FETA

SPACING = (1.0, 1.0, 1.0)
ALL_FLUID = head(SPACING, left_mm=7, right_mm=10, others=True)
VENTRICLES = FETA.index("ventricles")


def test_the_parts_lie_where_the_ventricles_are_and_make_up_the_label() -> None:
    parts = ventricle_parts(ALL_FLUID, SPACING, FETA)
    assert sum(p.astype(int) for p in parts.values()).max() == 1
    np.testing.assert_array_equal(sum(parts.values()) > 0, ALL_FLUID == VENTRICLES)
    centres = {name: np.argwhere(mask).mean(0) for name, mask in parts.items()}
    assert centres["third"][0] > centres["fourth"][0] + 10  # above it
    assert centres["third"][1] > centres["fourth"][1] + 10  # and in front of it
    middle = (ALL_FLUID.shape[2] - 1) / 2
    assert centres["third"][2] == pytest.approx(middle, abs=1)
    assert centres["fourth"][2] == pytest.approx(middle, abs=1)


def test_only_the_lateral_ventricles_remain_and_a_second_time_changes_nothing() -> None:
    new, image, record = split_ventricles(ALL_FLUID, SPACING, FETA, fourth="brainstem")
    assert image is None
    parts = ventricle_parts(ALL_FLUID, SPACING, FETA)
    np.testing.assert_array_equal(new == VENTRICLES, parts["lateral"])
    assert (new[parts["third"]] == FETA.index("external_csf")).all()
    assert (new[parts["fourth"]] == FETA.index("brainstem")).all()
    assert record["fourth_volume_ml"] == parts["fourth"].sum() / 1000
    again, _, _ = split_ventricles(new, SPACING, FETA)
    assert (new != again).sum() < 0.02 * parts["lateral"].sum()


def test_a_label_that_the_table_lacks_is_refused_in_one_line() -> None:
    with pytest.raises(AnatomyError, match="no tissue 'cavum' in the labels: background, "):
        split_ventricles(ALL_FLUID, SPACING, FETA, third="cavum")
