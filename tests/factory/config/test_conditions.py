"""`when`: switches an edit off, never a case; reads a tiny language and runs nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recipes import TEXT, recipe, refused

from factory.config.conditions import evaluate_condition
from factory.planning.cases import iterate_cases

NUMBER = st.one_of(st.sampled_from(["x", "y"]), st.integers(-9, 9).map(str))
OPERATORS = ["<", "<=", ">", ">=", "==", "!="]
COMPARISON = st.tuples(
    NUMBER, st.lists(st.tuples(st.sampled_from(OPERATORS), NUMBER), min_size=1,
                     max_size=2)
).map(lambda c: " ".join([c[0], *(word for pair in c[1] for word in pair)]))  # fmt: skip
CONDITION = st.recursive(
    COMPARISON,
    lambda inner: st.one_of(
        inner.map(lambda c: f"not ({c})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda c: f"({' '.join(c)})"),
    ),
    max_leaves=4,
)


@given(CONDITION, st.integers(-9, 9), st.integers(-9, 9))
def test_conditions_mean_what_python_means(condition: str, x: int, y: int) -> None:
    # eval is the reference here, on text that this test has written itself
    assert evaluate_condition(condition, {"x": x, "y": y}) == eval(condition, {}, {"x": x, "y": y})


def test_a_condition_switches_an_edit_off_and_never_a_case() -> None:
    plain = {case.id: case for case in iterate_cases(recipe())}
    young = {
        case.id: case for case in iterate_cases(recipe("anatomy.0.when=gestational_age_weeks < 28"))
    }
    assert plain.keys() == young.keys()
    off = 0
    for id, case in young.items():
        if case.requested["gestational_age_weeks"] < 28:
            assert case == plain[id]
        else:
            off += 1
            assert case.edits == ()
            assert "radius_mm" not in case.requested
            assert case.subject == plain[id].subject
    assert 0 < off < len(young)


def test_a_condition_may_speak_of_what_earlier_edits_were_given() -> None:
    second = "{dilate_ventricles: {radius_mm: 1, into: [grey_matter]}, when: radius_mm > 2}"
    first = "{dilate_ventricles: {radius_mm: {each: [1, 3]}, into: [white_matter]}}"
    made = list(iterate_cases(recipe(f"anatomy=[{first}, {second}]", "subjects.phantom.count=1")))
    assert [len(case.edits) for case in made] == [1, 2]
    message = refused(f"anatomy=[{second}, {first}]")
    assert "no such name radius_mm; allowed: gestational_age_weeks, replicate" in message


def test_a_condition_after_grow_sees_the_age_that_was_reached() -> None:
    late = "{dilate_ventricles: {radius_mm: 1, into: [white_matter]}, when: AGE >= 30}"
    late = late.replace("AGE", "gestational_age_weeks")
    for when, count in (("", 2), (", when: replicate > 0", 0)):  # grown, and not
        grow = f"{{grow: {{to_weeks: 31}}{when}}}"
        one = recipe(
            f"anatomy=[{late}, {grow}, {late}]",
            "subjects.phantom={count: 1, gestational_age_weeks: 24}",
        )
        (case,) = iterate_cases(one)
        assert len(case.edits) == count
        assert case.requested["gestational_age_weeks"] == 24


@pytest.mark.parametrize(
    ("condition", "column", "says"),
    [
        ("gestational_age_week < 28", 11, "did you mean gestational_age_weeks?"),
        ("28 > gestational_age_weeks + 1", 16, "allowed: numbers and names"),
        ("1 < 2 and gestational_age_weeks", 21, "allowed: comparisons"),
        ("gestational_age_weeks in (1, 2)", 11, "allowed: the comparisons"),
        ("__import__('os').system('x') < 1", 11, "allowed: numbers and names"),
        ("replicate < True", 23, "allowed: numbers and names"),
        ("replicate == (x := 3)", 25, "allowed: numbers and names"),
        ("[x for x in (1,)] < 2", 0, ""),
        ("replicate < 'a'", 23, "allowed: numbers and names"),
        ("lambda: 1", 0, "allowed: comparisons"),
        ("1 <", 0, "not a condition"),
        ("((((" * 40 + "1", 0, "not a condition"),
        ("1 < 2 or " * 40 + "1 < 2", 0, "longer than 200"),
        ("réplicate < 1", 0, "plain letters"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_column(condition, column, says) -> None:
    written = condition if column else json.dumps(condition)
    edit = "into: [white_matter]}"
    message = refused(text=TEXT.replace(edit, f"{edit}\n    when: {written}"))
    assert message.startswith(f"h.yaml:6:{column}: " if column else "h.yaml:6:")
    assert "anatomy[0].when: " in message
    assert says in message
