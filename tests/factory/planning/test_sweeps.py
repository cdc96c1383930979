"""Sweeps and distributions: what each word of a parameter gives."""

import numpy as np
from support.recipes import AGE, RADIUS, recipe, refused

from factory.planning.cases import count_cases, iterate_cases


def radii(parameter: str, *overrides: str) -> list[float]:
    made = iterate_cases(recipe(f"{RADIUS}={parameter}", "subjects.phantom.count=1", *overrides))
    return [case.requested["radius_mm"] for case in made]


def test_a_range_holds_both_ends_and_is_the_each_of_its_values() -> None:
    assert radii("{range: [0, 6, 1.5]}") == [0, 1.5, 3, 4.5, 6]
    assert radii("{range: [0, 0.3, 0.1]}") == [0, 0.1, 0.2, 0.3]
    assert radii("{range: [1, 2, 0.7]}") == [1, 1.7]
    by_range, by_each = (
        [case.to_json() for case in iterate_cases(recipe(f"{RADIUS}={p}"))]
        for p in ("{range: [0, 2, 0.5]}", "{each: [0, 0.5, 1, 1.5, 2]}")
    )
    assert by_range == by_each
    grade = "{dilate_ventricles: {grade: {range: [0, 4, 2]}, grades_mm: {0: 0, 2: 2, 4: 4}, "
    made = iterate_cases(
        recipe(f"anatomy=[{grade}into: [white_matter]}}}}]", "subjects.phantom.count=1")
    )
    assert [case.requested["grade"] for case in made] == [0, 2, 4]
    assert "a whole step" in refused(
        f"anatomy=[{grade.replace('4, 2]', '4, 0.5]')}into: [white_matter]}}}}]"
    )
    assert "more than 10000 values" in refused(f"{RADIUS}={{range: [0, 30, 0.0001]}}")


def test_zips_go_in_step_and_multiply_with_the_rest() -> None:
    zips = (f"{AGE}={{zip: [22, 26, 30]}}", f"{RADIUS}={{zip: [1, 2, 3]}}", "replicates=2")
    made = list(iterate_cases(recipe(*zips)))
    assert count_cases(recipe(*zips)) == len(made) == 10 * 3 * 2
    pairs = {(c.requested["gestational_age_weeks"], c.requested["radius_mm"]) for c in made}
    assert pairs == {(22, 1), (26, 2), (30, 3)}
    message = refused(f"{AGE}={{zip: [22, 26]}}", f"{RADIUS}={{zip: [1, 2, 3]}}")
    assert "gestational_age_weeks has 2" in message
    assert "radius_mm has 3" in message
    assert "rows 1 and 3 are the same" in refused(f"{RADIUS}={{zip: [1, 2, 1]}}")


def test_a_count_gives_so_many_draws_each_a_case_of_its_own() -> None:
    drawn = radii("{uniform: [1, 4], count: 5}", "replicates=2")
    assert len(drawn) == len(set(drawn)) == 10
    assert all(1 <= radius <= 4 for radius in drawn)
    assert radii("{uniform: [1, 4], count: 3}") == radii("{uniform: [1, 4], count: 5}")[:3]
    ages = [c.requested["gestational_age_weeks"]
            for c in iterate_cases(recipe(f"{AGE}={{uniform: [22, 34], count: 4}}"))]  # fmt: skip
    assert len(set(ages)) == 40
    assert "1 to 10000" in refused(f"{RADIUS}={{uniform: [1, 4], count: 0}}")
    assert "count" in refused(f"{RADIUS}={{each: [1, 4], count: 2}}")


def test_a_lognormal_has_its_median_its_spread_and_its_ends() -> None:
    drawn = np.array(radii("{lognormal: {median: 3, spread: 1.5, min: 0, max: 30}, count: 3000}"))
    within = np.mean((drawn > 2) & (drawn < 4.5))
    # 5 standard errors of a share over 3000 draws
    assert abs(np.mean(drawn < 3) - 0.5) < 5 * np.sqrt(0.25 / 3000)
    assert abs(within - 0.6827) < 5 * np.sqrt(0.25 / 3000)
    cut = radii("{lognormal: {median: 3, spread: 1.5, min: 2.5, max: 4}, count: 500}")
    assert 2.5 <= min(cut) < 2.6
    assert 3.9 < max(cut) <= 4
    assert "one draw in a thousand" in refused(
        f"{RADIUS}={{lognormal: {{median: 1, spread: 1.01, min: 9, max: 10}}}}"
    )
    assert "above 0" in refused(f"{RADIUS}={{lognormal: {{median: 0, spread: 2, min: 0, max: 1}}}}")


DEFORM = """anatomy=[{deform: {
    warp_mm: 1, rotation_degrees: [{uniform: [-9, 9]}, 0, {each: [0, 3]}],
    scale: [1, {zip: [0.9, 1.1]}, 1], flip: {each: [false, true]}}}]"""


def test_each_axis_is_a_parameter_of_its_own() -> None:
    made = list(iterate_cases(recipe(DEFORM.replace("\n", " "), "subjects.phantom.count=1")))
    assert [case.variant for case in made[:2]] == [
        "flip=false,rotation_degrees_x=0,scale_y=0.9",
        "flip=false,rotation_degrees_x=0,scale_y=1.1",
    ]
    assert len({case.variant for case in made}) == len(made) == 8
    for case in made:
        deform, asked = case.edits[0].parameters, case.requested
        turned = [asked["rotation_degrees_z"], 0, asked["rotation_degrees_x"]]
        assert deform["rotation_degrees"] == turned
        assert deform["scale"] == [1, asked["scale_y"], 1]
        assert deform["flip"] is asked["flip"]
        assert not asked.keys() & {"rotation_degrees_y", "scale_z", "scale_x", "shear_z"}
    angles = [case.requested["rotation_degrees_z"] for case in made]
    assert len(set(angles)) == 8
    assert all(-9 <= angle <= 9 for angle in angles)


def test_plain_lists_and_words_have_no_column() -> None:
    plain = "{deform: {warp_mm: 1, rotation_degrees: [5, 0, 0], flip: true}}"
    case = next(iterate_cases(recipe(f"anatomy=[{plain}]")))
    assert case.edits[0].parameters["rotation_degrees"] == [5, 0, 0]
    assert case.requested.keys() == {"gestational_age_weeks", "warp_mm", "smoothness_mm"}


def test_words_that_are_swept_or_drawn_have_a_column() -> None:
    wide = "{atrial_width_mm: 12, mode: {each: [dilate, displace]}, side: {choice: [left, right]}}"
    made = list(iterate_cases(recipe(f"anatomy=[{{ventriculomegaly: {wide}}}]")))
    assert [case.requested["mode"] for case in made] == ["dilate", "displace"] * 10
    assert {case.requested["side"] for case in made} == {"left", "right"}
    for case in made:
        given = case.edits[0].parameters
        assert (given["mode"], given["side"]) == (case.requested["mode"], case.requested["side"])
