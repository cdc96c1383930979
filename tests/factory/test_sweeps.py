"""Sweeps and distributions: what each word of a parameter gives."""

import sys
from pathlib import Path

import numpy as np

from factory.cases import cases, count_cases

sys.path.insert(0, str(Path(__file__).parent))
from small_recipe import AGE, RADIUS, recipe, refused


def radii(parameter: str, *overrides: str) -> list[float]:
    made = cases(recipe(f"{RADIUS}={parameter}", "subjects.phantom.count=1", *overrides))
    return [case.requested["radius_mm"] for case in made]


def test_a_range_holds_both_ends_and_is_the_each_of_its_values() -> None:
    assert radii("{range: [0, 6, 1.5]}") == [0, 1.5, 3, 4.5, 6]
    assert radii("{range: [0, 0.3, 0.1]}") == [0, 0.1, 0.2, 0.3]
    assert radii("{range: [1, 2, 0.7]}") == [1, 1.7]
    by_range, by_each = (
        [case.to_json() for case in cases(recipe(f"{RADIUS}={p}"))]
        for p in ("{range: [0, 2, 0.5]}", "{each: [0, 0.5, 1, 1.5, 2]}")
    )
    assert by_range == by_each
    grade = "{dilate_ventricles: {grade: {range: [0, 4, 2]}, grades_mm: {0: 0, 2: 2, 4: 4}, "
    made = cases(recipe(f"anatomy=[{grade}into: [white_matter]}}}}]", "subjects.phantom.count=1"))
    assert [case.requested["grade"] for case in made] == [0, 2, 4]
    assert "a whole step" in refused(
        f"anatomy=[{grade.replace('4, 2]', '4, 0.5]')}into: [white_matter]}}}}]"
    )
    assert "more than 10000 values" in refused(f"{RADIUS}={{range: [0, 30, 0.0001]}}")


def test_zips_go_in_step_and_multiply_with_the_rest() -> None:
    zips = (f"{AGE}={{zip: [22, 26, 30]}}", f"{RADIUS}={{zip: [1, 2, 3]}}", "replicates=2")
    made = list(cases(recipe(*zips)))
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
            for c in cases(recipe(f"{AGE}={{uniform: [22, 34], count: 4}}"))]  # fmt: skip
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
