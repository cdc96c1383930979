import json
from pathlib import Path

import numpy as np
import pytest

from factory.storage.errors import SubjectError
from factory.storage.subjects.label_files import read_label_file
from factory.storage.subjects.label_mappings import apply_mapping, mapping_table, mapping_to_json
from factory.storage.subjects.label_names import left_right_pairs, normalise_label_name
from factory.storage.subjects.named_label_tables import NAMED_MAPPINGS
from factory.storage.subjects.nifti import read_volume, to_whole_numbers

BIDS = "index\tname\tcolor\n0\tBackground\t#000000\n4\tLeft kidney\t#ff8000\n"
FREESURFER = "# a comment\n0 Unknown 0 0 0 0\n\n4   Left-Kidney   255 128 0 0\n"
ITK_SNAP = '0 0 0 0 0 0 0 "Clear Label"\n4 255 128 0 1 1 1 "left kidney"\n'
NNUNET = json.dumps({"labels": {"background": 0, "left kidney": 4}})


@pytest.mark.parametrize(
    ("name", "text", "colour"),
    [
        ("dseg.tsv", BIDS, (255, 128, 0)),
        ("lut.txt", FREESURFER, (255, 128, 0)),
        ("itk.label", ITK_SNAP, (255, 128, 0)),
        ("dataset.json", NNUNET, None),
        ("dataset.json", json.dumps({"labels": {"0": "background", "4": "Left_Kidney"}}), None),
    ],
)
def test_every_format_says_the_same(
    tmp_path: Path, name: str, text: str, colour: tuple[int, int, int] | None
) -> None:
    path = tmp_path / name
    path.write_text(text)
    table = read_label_file(path)
    assert table.mapping == {0: "background", 4: "left_kidney"}
    assert table.colours_by_name.get("left_kidney") == colour
    assert mapping_to_json(str(path)) == {"0": "background", "4": "left_kidney"}
    if colour:
        assert mapping_table(str(path)).colours[1] == colour


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dseg.tsv", "value\tname\n1\tliver\n", "needs the columns index and name"),
        (
            "dseg.tsv",
            "index\tname\n1\tliver\n1\tspleen\n",
            "line 3: label 1 is spleen, but an earlier",
        ),
        ("dseg.tsv", "index\tname\n70000\tliver\n", "line 2: label value 70000; .* to 65535"),
        ("dseg.tsv", "index\tname\n1\t\n", "line 2: label 1 has no name"),
        ("dseg.tsv", "index\tname\n0\tbackground\n", "names no label beside the background"),
        ("lut.txt", "1 liver red\n", "line 1: value '1 liver red'; allowed: a line of a Free"),
        ("dataset.json", "{}", "as nnU-Net has"),
        ("dataset.json", '{"labels": {"whole": [1, 2]}}', r"labels: whole: value \[1, 2\]"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SubjectError, match=message) as error:
        read_label_file(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no such file, a table of labels"):
        read_label_file(tmp_path / "dseg.tsv")


def test_names_are_spelled_alike_and_sides_are_paired() -> None:
    texts = ["Left-Cerebral-White-Matter", "3rd-Ventricle", "ctx-lh-insula", " Liver (right) ", "5"]
    assert [normalise_label_name(text) for text in texts] == [
        "left_cerebral_white_matter",
        "third_ventricle",
        "ctx_lh_insula",
        "liver_right",
        "label_5",
    ]
    names = ["background", "right_lung", "left_lung", "heart", "ctx_lh_insula", "ctx_rh_insula"]
    assert left_right_pairs(names) == (
        ("left_lung", "right_lung"),
        ("ctx_lh_insula", "ctx_rh_insula"),
    )


def test_values_become_indices_of_the_table_and_others_are_what_is_said() -> None:
    mapping: dict[int | str, str] = {1024: "liver", 7: "spleen", 9: "liver"}
    values = np.array([[0, 7, 9, 1024]])
    table = mapping_table(mapping)
    assert table.names == ("background", "spleen", "liver")
    assert apply_mapping(values, mapping, Path("a")).tolist() == [[0, 1, 2, 2]]
    with pytest.raises(SubjectError, match="label value 5 is not in the mapping"):
        apply_mapping(np.array([5]), mapping, Path("a"))
    mapping["others"] = "body"
    assert apply_mapping(np.array([5, 7, -1]), mapping, Path("a")).tolist() == [3, 1, 3]
    assert mapping_to_json(mapping)["others"] == "body"


def test_more_labels_than_a_byte_holds_are_uint16() -> None:
    mapping = {value: f"region_{value}" for value in range(1, 400)}
    label = apply_mapping(np.array([0, 1, 399]), mapping, Path("a"))
    assert label.dtype == np.uint16
    assert label.tolist() == [0, 1, 399]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({1: "Left Kidney"}, "1 is 'Left Kidney'; allowed: .* e.g. left_kidney"),
        ({70000: "liver"}, "value 70000; allowed: a whole number from 0 to 65535"),
        ({-1: "liver"}, "value -1; allowed"),
    ],
)
def test_a_mapping_that_cannot_be_is_one_line(mapping: dict[int, str], message: str) -> None:
    with pytest.raises(SubjectError, match=message):
        mapping_table(mapping)


def test_the_named_tables_know_every_value_of_the_real_heads(real_data: Path) -> None:
    for name, files in (
        ("synthseg-heads", "adult-heads/labels-01"),
        ("freesurfer", "adult-brain/sub-01"),
    ):
        path = real_data / f"{files}_dseg.nii.gz"
        values, _ = read_volume(path)
        label = apply_mapping(to_whole_numbers(values, path), name, path)
        present = {NAMED_MAPPINGS[name][int(value)] for value in np.unique(values)}
        names = mapping_table(name).names
        assert {names[index] for index in np.unique(label)} == present
        assert len(left_right_pairs(present)) >= 15
