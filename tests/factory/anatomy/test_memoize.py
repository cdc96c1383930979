import numpy as np
import pytest

from factory.anatomy.edits.ventriculomegaly.edit import ventriculomegaly
from factory.anatomy.memoize import memoize_last_label
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA


def test_an_answer_is_kept_for_an_equal_map_and_equal_rest_alone() -> None:
    asked = []

    @memoize_last_label
    def labelled(label: np.ndarray, more: int) -> int:
        asked.append(more)
        return int((label > 0).sum()) + more

    label = np.ones((2, 2, 2), np.uint8)
    assert labelled(label, 1) == labelled(label.copy(), 1) == 9
    assert asked == [1]
    assert labelled(label, 2) == 10
    label[0] = 0
    assert labelled(label, 2) == 6
    assert asked == [1, 2, 2]


def test_what_fails_is_not_kept() -> None:
    @memoize_last_label
    def refused(label: np.ndarray) -> None:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            refused(np.zeros(1))


def test_a_width_comes_out_alike_whatever_was_asked_of_the_brain_before() -> None:
    subject = phantom(24, 4, 1.5)
    where = subject.label, subject.grid.spacing, FETA
    wide, _, of_wide = ventriculomegaly(*where, 12.0, mode="displace")
    ventriculomegaly(*where, 10.0, mode="displace", csf_min_share=0.2)  # begins anew
    _, _, of_after = ventriculomegaly(*where, 14.0, mode="displace")
    again, _, of_again = ventriculomegaly(*where, 12.0, mode="displace")
    np.testing.assert_array_equal(again, wide)
    assert of_again == of_wide
    assert of_after != of_wide
