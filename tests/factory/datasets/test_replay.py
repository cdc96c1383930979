"""A sample is rendered again from its record, with the same or with changed parameters."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.recipes import recipe
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli
from factory.errors import RecipeError
from factory.planning.cases import iterate_cases
from factory.planning.counterfactual import change_case
from factory.storage.dataset.open import open_dataset


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    out = str(folder / "d.zarr")
    options = small(tiny_model(folder / "tiny"))
    assert cli.main(["render", RECIPE, *options, "--serial", "--output", out, "--json"]) == 0
    return Path(out)


def test_a_sample_is_replayed_as_it_was_and_with_another_grade(capsys, rendered, tmp_path) -> None:
    """Sample 0 has grade 0 and sample 1 grade 4, of one subject, with nothing else drawn."""
    dataset, arguments = open_dataset(str(rendered)), ["replay", str(rendered), "0"]
    assert cli.main([*arguments, "--output", str(tmp_path / "again"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["equal"] is True
    assert report["measures"] == {}
    again = open_dataset(str(tmp_path / "again"))
    assert again.is_complete()
    for name, values in dataset.sample(0).arrays.items():
        np.testing.assert_array_equal(again.sample(0).arrays[name], values)

    sicker = [*arguments, "--set", "grade=4", "--output", str(tmp_path / "sicker")]
    assert cli.main(sicker) == 0
    assert "atrial_width_mm" in capsys.readouterr().out
    replayed, original = open_dataset(str(tmp_path / "sicker")).sample(0), dataset.sample(1)
    for name, values in original.arrays.items():
        np.testing.assert_array_equal(replayed.arrays[name], values)
    assert replayed.columns["grade"] == 4
    assert replayed.columns["case"] == dataset.sample(0).columns["case"] + "?grade=4"

    assert cli.main([*arguments, "--set", "grade=7", "--output", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert "value 7; allowed: 0, 1, 2, 3, 4" in error
    assert error.count("\n") == 1
    assert cli.main(["replay", str(rendered), "2", "--output", str(tmp_path / "x")]) == 2
    assert "sample 2 is not there" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


DRAWN = (
    "anatomy=[{ventriculomegaly: {grade: {each: [0, 2]}, grades_mm: {0: 0, 2: 13}, "
    "mode: dilate}}, {deform: {warp_mm: {uniform: [1, 3]}}}]"
)


def test_a_changed_parameter_leaves_all_other_random_values() -> None:
    """Draws of a case hang on its variant: not on the value that is put in its place."""
    base = recipe("subjects.phantom.count=2", DRAWN)
    case = list(iterate_cases(base))[2]
    assert case.id == "phantom-0001/grade=0/0"
    other = change_case(base, case, ["grade=2"])
    assert other.requested == case.requested | {"grade": 2, "atrial_width_mm": 13.0}
    assert other.subject == case.subject
    assert other.edits[1] == case.edits[1]
    assert other.appearance == case.appearance
    assert change_case(base, case, ["anatomy.0.ventriculomegaly.grade=2"]).edits == other.edits
    older = change_case(base, case, ["gestational_age_weeks=33"])
    assert older.subject == case.subject | {"gestational_age_weeks": 33.0}
    assert older.edits == case.edits
    assert change_case(base, case, ["warp_mm=2.5"]).requested["warp_mm"] == 2.5


def test_an_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    base = recipe("subjects.phantom.count=2", DRAWN)
    with pytest.raises(RecipeError, match="did you mean grade"):
        change_case(base, next(iterate_cases(base)), ["grad=2"])
