"""Cases: their identities, their draws, and what must not change when a recipe grows."""

import itertools
import json
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recipes import GRADED

from factory.case import Case
from factory.config.loading import parse_document
from factory.planning.cases import count_cases, iterate_cases
from factory.schema.render_recipe import Recipe, RenderRecipe

RADIUS = """\
seed: 7
subjects:
  phantom: {count: 2, gestational_age_weeks: 28}
anatomy:
  - dilate_ventricles: {radius_mm: {uniform: [1, 4]}, into: [white_matter]}
appearance: {model: fetal-spade}
output: {path: h.zarr}
"""


def recipe(*overrides: str, text: str = GRADED) -> Recipe:
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


def by_id(*overrides: str, text: str = GRADED) -> dict[str, str]:
    made = list(iterate_cases(recipe(*overrides, text=text)))
    assert len({case.id for case in made}) == len(made)
    return {case.id: case.to_json() for case in made}


def test_a_case_says_all_that_is_needed_to_make_it() -> None:
    case = next(itertools.islice(iterate_cases(recipe()), 2, None))
    assert case.id == "phantom-0000/grade=2/0"
    assert set(case.subject) == {"source", "id", "gestational_age_weeks", "seed"}
    assert 21 <= case.subject["gestational_age_weeks"] <= 34
    assert [edit.to_json() for edit in case.edits] == [
        {"dilate_ventricles": {"radius_mm": 3.0, "into": ["white_matter"]}}
    ]
    assert case.requested == {
        "gestational_age_weeks": case.subject["gestational_age_weeks"],
        "grade": 2,
        "radius_mm": 3.0,
    }
    assert case.appearance.model == "fetal-spade"
    assert case.appearance.fuse == "mean"
    assert case.grid.spacing_mm == 1.0
    assert Case.from_json(case.to_json()) == case
    assert json.loads(case.to_json())["id"] == case.id


def test_order_is_subjects_then_variants_then_replicates() -> None:
    ids = [case.id for case in iterate_cases(recipe("replicates=2"))]
    subjects = [f"phantom-{n:04d}" for n in range(3)]
    expected = [f"{s}/grade={g}/{r}" for s in subjects for g in range(3) for r in range(2)]
    assert ids == expected


def test_one_style_and_one_anatomy_a_subject_across_its_grades() -> None:
    made = list(iterate_cases(recipe("replicates=2")))
    for key in (lambda c: c.subject, lambda c: c.appearance.style_seed):
        for subject, replicate in itertools.product(range(3), range(2)):
            same = [
                json.dumps(key(case))
                for case in made
                if case.subject["id"] == f"phantom-{subject:04d}" and case.replicate == replicate
            ]
            assert len(set(same)) == 1
    assert len({case.appearance.style_seed for case in made}) == 6
    assert len({case.subject["seed"] for case in made}) == 3


FACTORS = st.fixed_dictionaries(
    {
        "subjects.phantom.count": st.integers(1, 5),
        "replicates": st.integers(1, 3),
        "anatomy.0.dilate_ventricles.grade": st.lists(
            st.integers(0, 4), min_size=1, max_size=5, unique=True
        ).map(lambda grades: f"{{each: {grades}}}"),
        "subjects.phantom.gestational_age_weeks": st.sampled_from(
            ["{uniform: [21, 34]}", "{each: [24, 30]}", "28", "{choice: {24: 1, 30: 2}}"]
        ),
    }
)


@settings(max_examples=40, deadline=None)
@given(FACTORS, st.integers(0, 200))
def test_the_count_is_known_without_counting(factors: dict[str, object], start: int) -> None:
    made = recipe(*(f"{k}={v}" for k, v in factors.items()))
    every = list(iterate_cases(made))
    assert count_cases(made) == len(every)
    assert list(iterate_cases(made, start)) == every[start:]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True),
    st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_what_else_a_recipe_lists_changes_no_case(
    one: Sequence[int], two: Sequence[int], counts: tuple[int, int], replicates: tuple[int, int]
) -> None:
    first, second = (
        by_id(
            f"anatomy.0.dilate_ventricles.grade={{each: {list(grades)}}}",
            f"subjects.phantom.count={count}",
            f"replicates={replicate}",
        )
        for grades, count, replicate in zip((one, two), counts, replicates, strict=True)
    )
    shared = first.keys() & second.keys()
    assert len(shared) == len(set(one) & set(two)) * min(counts) * min(replicates)
    assert {k: first[k] for k in shared} == {k: second[k] for k in shared}


def test_another_edit_after_does_not_change_the_draws_of_this_one() -> None:
    other = "  - dilate_ventricles: {radius_mm: 1, into: [grey_matter]}\n"
    alone = list(iterate_cases(recipe(text=RADIUS)))
    after = list(iterate_cases(recipe(text=RADIUS.replace("appearance:", other + "appearance:"))))
    drawn = [case.edits[0].parameters["radius_mm"] for case in alone]
    assert [case.edits[0].parameters["radius_mm"] for case in after] == drawn
    assert set(after[0].requested) == {
        "gestational_age_weeks",
        "dilate_ventricles_radius_mm",
        "dilate_ventricles_2_radius_mm",
    }


def test_the_seed_changes_every_draw() -> None:
    ours, theirs = list(iterate_cases(recipe())), list(iterate_cases(recipe("seed=8")))
    for a, b in zip(ours, theirs, strict=True):
        assert a.id == b.id
        assert a.subject["gestational_age_weeks"] != b.subject["gestational_age_weeks"]
        assert a.subject["seed"] != b.subject["seed"]
        assert a.appearance.style_seed != b.appearance.style_seed


def ages(distribution: str, count: int = 2000) -> np.ndarray:
    made = recipe(
        f"subjects.phantom.gestational_age_weeks={distribution}",
        f"subjects.phantom.count={count}",
        "anatomy=[]",
    )
    return np.array([case.subject["gestational_age_weeks"] for case in iterate_cases(made)])


def test_draws_follow_their_distributions() -> None:
    uniform = ages("{uniform: [22, 34]}")
    assert uniform.min() >= 22
    assert uniform.max() <= 34
    # 5 standard errors: false alarms about once in a million seeds, and the seed is fixed
    assert abs(uniform.mean() - 28) < 5 * 12 / np.sqrt(12 * 2000)

    normal = ages("{normal: {mean: 28, sd: 2, min: 24, max: 32}}")
    assert normal.min() >= 24
    assert normal.max() <= 32
    assert abs(normal.mean() - 28) < 5 * 2 / np.sqrt(2000)
    within = np.mean(np.abs(normal - 28) < 2)
    assert abs(within - 0.6827 / 0.9545) < 5 * np.sqrt(0.25 / 2000)

    chosen = ages("{choice: {24: 1, 30: 3}}")
    assert set(chosen) == {24.0, 30.0}
    assert abs(np.mean(chosen == 30) - 0.75) < 5 * np.sqrt(0.25 / 2000)
    np.testing.assert_array_equal(chosen, ages("{choice: {30: 3, 24: 1}}"))
    assert set(ages("{choice: {24: 0, 30: 1}}", 50)) == {30.0}


def test_draws_of_replicates_differ_and_fixed_values_do_not() -> None:
    made = list(iterate_cases(recipe("replicates=3", text=RADIUS)))
    drawn = {case.edits[0].parameters["radius_mm"] for case in made}
    assert len(drawn) == 6
    assert all(1 <= radius <= 4 for radius in drawn)
    assert {case.subject["gestational_age_weeks"] for case in made} == {28.0}
    assert {case.variant for case in made} == {""}


def test_a_swept_age_gives_the_same_phantom_at_several_ages() -> None:
    made = list(iterate_cases(recipe("subjects.phantom.gestational_age_weeks={each: [24, 28.5]}")))
    assert made[0].variant == "gestational_age_weeks=24,grade=0"
    first = [case for case in made if case.subject["id"] == "phantom-0000"]
    assert {case.subject["gestational_age_weeks"] for case in first} == {24.0, 28.5}
    assert len({case.subject["seed"] for case in first}) == 1


def test_a_million_cases_cost_nothing_until_they_are_asked_for() -> None:
    large = recipe("subjects.phantom.count=100000000")
    assert count_cases(large) == 300_000_000
    assert next(iterate_cases(large, 299_999_999)).id == "phantom-99999999/grade=2/0"


TWICE = """\
seed: 7
subjects: {phantom: {count: 6, gestational_age_weeks: {uniform: [22, 34]}}}
anatomy:
  - deform: {warp_mm: 1}
  - dilate_ventricles: {radius_mm: 1, into: [white_matter]}
    when: gestational_age_weeks < 28
  - dilate_ventricles: {radius_mm: 2, into: [white_matter]}
groups:
  ill: {share: 50 %, anatomy: [lesion: {inside: [white_matter], volume_ml: 1}]}
  well: {share: 50 %}
appearance: {model: fetal-spade}
output: {path: h.zarr}
"""


def test_a_number_has_one_column_in_every_case_of_a_recipe() -> None:
    every = list(iterate_cases(recipe(text=TWICE)))
    young = [case.subject["gestational_age_weeks"] < 28 for case in every]
    assert len(set(young)) == 2
    for case, is_young in zip(every, young, strict=True):
        widths = {"dilate_ventricles_2_radius_mm"}
        widths |= {"dilate_ventricles_radius_mm"} if is_young else set()
        smooth = {"deform_smoothness_mm"}
        smooth |= {"lesion_smoothness_mm"} if case.group == "ill" else set()
        assert {name for name in case.requested if name.endswith("radius_mm")} == widths
        assert {name for name in case.requested if name.endswith("smoothness_mm")} == smooth
        second = next(edit for edit in case.edits if edit.column_prefix != edit.operator)
        assert second.column_prefix == "dilate_ventricles_2"
        assert second.to_json()["as"] == "dilate_ventricles_2"
        assert second.parameters["radius_mm"] == 2
