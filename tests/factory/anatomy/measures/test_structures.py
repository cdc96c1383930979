"""Measures of any label and region: how they follow from the map's place, size and spacing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from hypothesis.strategies import SearchStrategy
from support.solids import frame, radius

from factory.anatomy.measure_names import default_choice
from factory.anatomy.measures import measure
from factory.anatomy.measures.structures import nearest_axes
from factory.storage.subjects.label_mappings import mapping_table
from factory.storage.subjects.types import FETA, LabelTable

NAMES = ("background", "liver", "left_kidney", "right_kidney")
TABLE = LabelTable(NAMES, ((0, 0, 0),) * 4, (("kidneys", NAMES[2:]), ("organs", NAMES[1:])))
ALL = dict.fromkeys(("volume_ml", "extent_mm", "largest_width_mm", "components", "euler"))
CHOICE = ("extent_mm", "largest_width_mm")
SPACING = (2.0, 1.0, 0.5)


def label_maps() -> SearchStrategy[np.ndarray]:
    shape = arrays.array_shapes(min_dims=3, max_dims=3, max_side=6)
    return arrays.arrays(np.uint16, shape, elements=st.integers(0, 3))


@given(label_maps(), st.tuples(*[st.integers(0, 4)] * 6))
def test_measures_do_not_depend_on_the_place(label: np.ndarray, margins: tuple[int, ...]) -> None:
    before, after = margins[:3], margins[3:]
    if label.shape[0] == 1:  # a single slice stays one
        before, after = (0, *before[1:]), (0, *after[1:])
    moved = np.pad(label, list(zip(before, after, strict=True)))
    assert measure(moved, SPACING, TABLE, ALL) == measure(label, SPACING, TABLE, ALL)


@given(label_maps(), st.sampled_from((0.25, 0.5, 2.0, 4.0)))
def test_lengths_and_volumes_grow_with_the_spacing(label: np.ndarray, factor: float) -> None:
    z, y, x = (side * factor for side in SPACING)
    powers = {"volume": 3, "extent": 1, "largest": 1, "components": 0, "euler": 0}
    scaled = measure(label, (z, y, x), TABLE, ALL)
    for column, value in measure(label, SPACING, TABLE, ALL).items():
        if value is None:
            assert scaled[column] is None
        else:
            power = powers[column.split("_")[0]]
            assert scaled[column] == pytest.approx(value * factor**power, rel=1e-6)


@given(label_maps())
def test_a_region_is_measured_as_one_label_is(label: np.ndarray) -> None:
    joined = LabelTable(("background", "organs"), ((0, 0, 0),) * 2)
    columns = measure(label, SPACING, TABLE, ALL)
    of_union = measure((label > 0).astype(np.uint8), SPACING, joined, ALL)
    assert {column: columns[column] for column in of_union} == of_union
    parts = [columns[f"volume_ml_{name}"] for name in NAMES[1:]]
    assert columns["volume_ml_organs"] == pytest.approx(sum(parts))


@given(
    label_maps().filter(lambda label: bool(label.any())),
    st.sampled_from(("liver", "kidneys", "organs")),
)
def test_a_width_fits_in_the_extents(label: np.ndarray, name: str) -> None:
    columns = measure(label, SPACING, TABLE, ALL)
    width = columns[f"largest_width_mm_{name}"]
    extents = [columns[f"extent_{axis}_mm_{name}"] for axis in ("rl", "ap", "si")]
    if width is None:
        assert columns[f"volume_ml_{name}"] == columns[f"components_{name}"] == 0
        assert extents == [None] * 3
        return
    assert 0 < width <= min(extent for extent in extents if extent is not None) + 1e-6


@given(st.tuples(*[st.integers(1, 9)] * 3))
def test_a_block_is_as_wide_as_its_shortest_side(sides: tuple[int, ...]) -> None:
    label = np.pad(np.ones(sides, np.uint8), 2)
    expected = min(n * s for n, s in zip(sides, SPACING, strict=True))
    width = measure(label, SPACING, TABLE, {"largest_width_mm": ("liver",)})
    assert width == {"largest_width_mm_liver": pytest.approx(expected)}


@pytest.mark.parametrize("diameter_mm", [7.0, 12.0, 23.0])
def test_a_ball_is_as_wide_as_its_diameter_to_two_voxels(diameter_mm: float) -> None:
    ball = radius(*frame(diameter_mm, (0.8,) * 3, centre=(0.3, 0.2, 0.1))) <= diameter_mm / 2
    label = np.where(ball, 2, 0).astype(np.uint8)
    column = measure(label, (0.8,) * 3, TABLE, {"largest_width_mm": ["kidneys"]})
    assert diameter_mm - 1.6 < column["largest_width_mm_kidneys"] < diameter_mm


def test_a_single_slice_has_a_circle_and_no_extent_across() -> None:
    label = np.zeros((1, 20, 30), np.uint8)
    label[0, 4:14, 3:27] = 1
    columns = measure(label, (5.0, 1.0, 0.5), TABLE, {key: ["liver"] for key in CHOICE})
    assert columns == {
        "extent_rl_mm_liver": 12.0,
        "extent_ap_mm_liver": 10.0,
        "extent_si_mm_liver": None,
        "largest_width_mm_liver": 10.0,
    }


def test_extents_are_named_after_the_nearest_axis_of_the_world() -> None:
    label = np.zeros((8, 8, 8), np.uint8)
    label[1:3, 1:5, 1:7] = 1  # 2, 4 and 6 voxels along the array's axes
    coronal = np.array([[2.0, 0.1, 0, 0], [0, 0.1, -2, 0], [0, 2, 0.1, 0], [0, 0, 0, 1]])
    columns = measure(label, (2.0, 2.0, 2.0), TABLE, {"extent_mm": ["liver"]}, coronal)
    assert columns == {"extent_rl_mm_liver": 12, "extent_ap_mm_liver": 4, "extent_si_mm_liver": 8}
    assert nearest_axes(coronal) == ["ap", "si", "rl"]


def test_a_table_of_its_own_has_the_measures_of_heads_whose_labels_it_has() -> None:
    organs = default_choice(NAMES, has_own_table=True)
    assert list(organs) == ["volume_ml", "extent_mm", "components"]
    fetal = default_choice((*FETA.names, "tumour"), has_own_table=True)
    assert {"atrial_width_mm", "gyrification_index"} < set(fetal)
    adult = default_choice(mapping_table("synthseg-heads").names, has_own_table=True)
    assert [*adult][3:] == ["cortical_thickness_mm", "evans_index"]
    heart = default_choice(("background", "aorta", "myocardium", "rv", "lv_pool"), True)
    assert list(heart) == ["volume_ml", "extent_mm", "components", "heart_checks"]
