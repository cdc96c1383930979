"""What pictures, captions and charts show of a dataset with labels of its own."""

import numpy as np
import pandas as pd

from factory.datasets.montage.montage import slice_centre
from factory.datasets.structures import (
    SliceLabels,
    select_columns,
    slice_labels,
    structure_names,
    telling_columns,
)
from factory.storage.subjects.types import FETA, LabelTable

NAMES = ("background", "left_lateral_ventricle", "right_lateral_ventricle", "cortex", "tumour")
HEAD = LabelTable(NAMES, ((0, 0, 0),) * 5, (("both", ("cortex", "tumour")),))
RECIPE = {
    "regions": {"both": ["cortex", "tumour"]},
    "groups": {"ill": {"anatomy": [{"resize": {"structure": "tumour", "share": 2}, "when": "x"}]}},
    "measures": {"volume_ml": ["cortex"], "extent_mm": "all"},
}


def test_pictures_slice_through_what_is_edited_or_through_the_ventricles() -> None:
    assert slice_labels(FETA, RECIPE) == SliceLabels((FETA.index("ventricles"),), True)
    assert slice_labels(HEAD, RECIPE) == SliceLabels((4,))
    both = {"anatomy": [{"dilate": {"structure": "both"}}]}
    assert slice_labels(HEAD, both) == SliceLabels((3, 4), has_two_sides=True)
    swept = {"anatomy": [{"move": {"structure": {"each": ["cortex", "tumour"]}}}]}
    assert slice_labels(HEAD, swept) == SliceLabels((1, 2), has_two_sides=True)
    organs = LabelTable(("background", "liver"), ((0, 0, 0),) * 2)
    assert slice_labels(organs, RECIPE) == SliceLabels()


def test_the_centre_of_two_sides_lies_in_the_right_one() -> None:
    label = np.zeros((3, 5, 9), np.uint8)
    label[1, 2, 1:3], label[1, 2, 6:8], label[0] = 1, 2, 3
    assert slice_centre(label, SliceLabels((1, 2), has_two_sides=True)) == (1, 2, 6)
    assert slice_centre(label, SliceLabels((1,))) == (1, 2, 2)
    assert slice_centre(label, SliceLabels((5,))) == slice_centre(label, SliceLabels())
    assert slice_centre(np.zeros_like(label), SliceLabels((1,))) == (1, 2, 4)


def test_the_columns_that_say_most_are_of_named_structures_then_those_that_vary_most() -> None:
    assert {"both", "tumour", "cortex"} <= structure_names(RECIPE)
    table = pd.DataFrame(
        {
            "volume_ml_skin": [10.0, 11.0],
            "volume_ml_bone": [1.0, 9.0],
            "volume_ml_tumour": [5.0, 5.1],
            "volume_ml_lens": [None, 2.0],
            "note": ["a", "b"],
        }
    )
    columns = [name for name in table if name != "note"]
    assert select_columns(table, columns, {"tumour"}, 9) == columns
    assert select_columns(table, columns, {"tumour"}, 2) == ["volume_ml_bone", "volume_ml_tumour"]
    assert select_columns(table, columns, set(), 1) == ["volume_ml_bone"]
    assert telling_columns(table, RECIPE, ("atrial_width_mm",), 1) == ["volume_ml_tumour"]
    table["atrial_width_mm"] = [None, 7.0]
    assert telling_columns(table, RECIPE, ("atrial_width_mm",), 1) == ["atrial_width_mm"]
