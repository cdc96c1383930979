"""Groups: shares come out exact, and what two recipes share is the same."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recipes import RADIUS, recipe, refused

from factory.planning.cases import count_cases, iterate_cases
from factory.planning.explain import explain_recipe
from factory.planning.groups import apportion, case_groups
from factory.schema.render_recipe import Recipe


@settings(max_examples=200)
@given(
    st.integers(0, 10_000),
    st.dictionaries(st.text("abc", min_size=1), st.integers(1, 100), min_size=1, max_size=6),
)
def test_shares_come_out_exact_by_largest_remainder(count: int, shares: dict[str, int]) -> None:
    quota = apportion(count, shares)
    whole = sum(shares.values())
    assert sum(quota.values()) == count
    ideal = {name: Fraction(count * share, whole) for name, share in shares.items()}
    assert all(abs(quota[name] - ideal[name]) < 1 for name in shares)
    up = [ideal[n] - quota[n] for n in shares if quota[n] > ideal[n]]
    down = [ideal[n] - quota[n] for n in shares if quota[n] < ideal[n]]
    # whoever was rounded up had no smaller a remainder than whoever was rounded down
    assert not up or not down or 1 + min(up) >= max(down)


def test_known_apportionments() -> None:
    assert apportion(40, {"severe": 30.0, "none": 70.0}) == {"severe": 12, "none": 28}
    assert apportion(10, {"a": 33.0, "b": 33.0, "c": 33.0}) == {"a": 4, "b": 3, "c": 3}
    assert apportion(1, {"a": 0.0, "b": 100.0}) == {"a": 0, "b": 1}


EDIT = "{dilate_ventricles: {radius_mm: {uniform: [1, 4]}, into: [white_matter]}}"


def grouped(shares: dict[str, int], *overrides: str) -> Recipe:
    each = ", ".join(f"{name}: {{share: {s} %, anatomy: [{EDIT}]}}" for name, s in shares.items())
    return recipe(f"groups={{{each}}}", *overrides)


def by_id(made: Recipe) -> dict[str, str]:
    every = list(iterate_cases(made))
    assert len({case.id for case in every}) == len(every) == count_cases(made)
    return {case.id: case.to_json() for case in every}


SHARES = st.sampled_from(
    [
        {"severe": 30, "none": 70},
        {"none": 70, "severe": 30},
        {"severe": 50, "none": 50},
        {"severe": 10, "none": 60, "mild": 30},
        {"severe": 100},
    ]
)


@settings(max_examples=40, deadline=None)
@given(SHARES, SHARES, st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(0, 40))
def test_what_two_recipes_share_is_the_same(one, two, counts, start) -> None:
    a, b = (
        grouped(shares, f"subjects.phantom.count={count}")
        for shares, count in zip((one, two), counts, strict=True)
    )
    first, second = by_id(a), by_id(b)
    shared = first.keys() & second.keys()
    assert {k: first[k] for k in shared} == {k: second[k] for k in shared}
    sizes = [{part.group: part.count for part in case_groups(made)} for made in (a, b)]
    assert len(shared) == sum(min(n, sizes[1].get(group, 0)) for group, n in sizes[0].items())
    assert [case.to_json() for case in iterate_cases(a, start)] == list(first.values())[start:]


def test_the_order_in_which_groups_are_written_does_not_matter() -> None:
    one, two = grouped({"severe": 30, "none": 70}), grouped({"none": 70, "severe": 30})
    assert one.digest == two.digest
    assert list(iterate_cases(one)) == list(iterate_cases(two))


def test_a_case_knows_its_group_and_no_brain_is_in_two() -> None:
    made = list(iterate_cases(grouped({"severe": 30, "none": 70})))
    assert [case.group for case in made] == ["none"] * 7 + ["severe"] * 3
    assert made[-1].id == "severe/phantom-severe-0002//0"
    assert len({case.subject["seed"] for case in made}) == 10


def test_file_subjects_are_cut_by_share_and_few_of_them_move(tmp_path) -> None:
    import nibabel as nib

    label = np.ones((8, 8, 8), np.uint8)

    def groups_of(names: list[str]) -> dict[str, str]:
        folder = tmp_path / f"{len(names)}"
        folder.mkdir()
        for name in names:
            affine = np.diag([4.0, 4.0, 4.0, 1.0])
            nib.Nifti1Image(label, affine).to_filename(folder / f"{name}_dseg.nii.gz")
        source = f"subjects={{nifti: {{path: {folder}, labels: '{{subject}}_dseg.nii.gz'}}}}"
        made = iterate_cases(grouped({"a": 50, "b": 30, "c": 20}, source))
        return {case.subject["id"]: case.group for case in made}

    names = [f"s{i:02d}" for i in range(20)]
    before, after = groups_of(names), groups_of([*names, "new"])
    assert sorted(before.values()) == ["a"] * 10 + ["b"] * 6 + ["c"] * 4
    assert sorted(before) == names
    assert sum(before[name] != after[name] for name in names) <= 2  # one at each cut


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ("{a: {share: 30 %}, b: {share: 60 %}}", "the shares add to 90 %; allowed: 100 %"),
        ("{}", "at least one group"),
        ("{a b: {share: 100 %}}", "a name of letters"),
        ("{a: {share: 100 mm}}", "a share such as 30 %"),
        ("{a: {share: 101 %}}", "a share such as 30 %"),
        ("{a: {shares: 100 %}}", "did you mean share?"),
    ],
)
def test_groups_that_are_none(groups: str, says: str) -> None:
    assert says in refused(f"groups={groups}")


def test_groups_stay_lazy() -> None:
    large = grouped({"severe": 30, "none": 70}, "subjects.phantom.count=100000000")
    assert count_cases(large) == 100_000_000
    assert (
        next(islice(iterate_cases(large, 99_999_999), 1)).id == "severe/phantom-severe-29999999//0"
    )


def test_a_recipe_in_words() -> None:
    words = "\n".join(
        explain_recipe(
            grouped({"severe": 30, "none": 70}, "anatomy.0.when=gestational_age_weeks < 28",
                    f"{RADIUS}={{choice: {{1: 1, 2: 3}}}}", "replicates=3")
        )
    )  # fmt: skip
    for part in (
        "Makes 30 samples",
        "10 procedural fetal brains, gestational age drawn evenly from 22 to 34 weeks",
        "Group severe: 30 % of the subjects, 3 subjects, 9 samples",
        "one of 1 (25 %), 2 (75 %)",
        "only when gestational_age_weeks < 28 (the case stays)",
        "each drawn 3 times",
    ):
        assert part in words
    assert "each of 1, 2" in "\n".join(explain_recipe(recipe(f"{RADIUS}={{each: [1, 2]}}")))


def test_an_edit_in_words_has_its_units_after_its_numbers() -> None:
    edits = "{deform: {warp_mm: {uniform: [0.5, 2]}, flip: true}}, {grow: {to_weeks: 30}}"
    text = "\n".join(explain_recipe(recipe(f"anatomy=[{edits}]")))
    assert "deform, warp drawn evenly from 0.5 to 2 mm; " in text
    assert "; flip yes." in text
    assert "grow, to 30 weeks." in text
