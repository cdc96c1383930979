import numpy as np
import pytest

from factory.anatomy.edits.ventriculomegaly.edit import ventriculomegaly
from factory.anatomy.memoize import memoize_last_label
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA


def test_a_result_is_reused_only_for_an_equal_map_and_equal_arguments() -> None:
    calls = []

    @memoize_last_label
    def count_labelled(label: np.ndarray, summand: int) -> int:
        calls.append(summand)
        return int((label > 0).sum()) + summand

    label = np.ones((2, 2, 2), np.uint8)
    assert count_labelled(label, 1) == count_labelled(label.copy(), 1) == 9
    assert calls == [1]
    assert count_labelled(label, 2) == 10
    label[0] = 0
    assert count_labelled(label, 2) == 6
    assert calls == [1, 2, 2]


def test_a_failure_is_not_remembered() -> None:
    @memoize_last_label
    def fail(label: np.ndarray) -> None:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            fail(np.zeros(1))


def test_a_width_does_not_depend_on_the_edits_before() -> None:
    subject = phantom(24, 4, 1.5)
    where = subject.label, subject.grid.spacing, FETA
    wide, _, wide_record = ventriculomegaly(*where, 12.0, mode="displace")
    ventriculomegaly(*where, 10.0, mode="displace", csf_min_share=0.2)  # another course
    _, _, later_record = ventriculomegaly(*where, 14.0, mode="displace")
    again, _, again_record = ventriculomegaly(*where, 12.0, mode="displace")
    np.testing.assert_array_equal(again, wide)
    assert again_record == wide_record
    assert later_record != wide_record
