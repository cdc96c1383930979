"""Groups with subjects of their own: how many each has, and what is refused."""

from fractions import Fraction
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recipes import recipe, refused

from factory.errors import PlanError
from factory.planning.cases import count_cases, iterate_cases
from factory.planning.compatibility import check_model_labels, share_warnings
from factory.planning.explain import explain_recipe
from factory.planning.grid import grid_shape, label_table
from factory.planning.groups import case_groups
from factory.schema.render_recipe import Recipe, parse_recipe
from factory.storage.subjects.types import FETA

PHANTOM = "{{phantom: {{count: {}, gestational_age_weeks: 24}}}}"
SHAPES = "{shapes: {count: 2, labels: {body: {size_mm: [60, 60, 60]}}}}"


def mixed(groups: dict[str, tuple[int | None, int | None]], common: int) -> Recipe:
    """Return a recipe of groups by name: share in percent, and number of subjects of their own."""
    texts = []
    for name, (share, count) in groups.items():
        keys = [] if share is None else [f"share: {share} %"]
        keys += [] if count is None else [f"subjects: {PHANTOM.format(count)}"]
        texts.append(f"{name}: {{{', '.join(keys)}}}")
    overrides = [f"groups={{{', '.join(texts)}}}", f"subjects.phantom.count={common}"]
    if all(count is not None for _, count in groups.values()):
        overrides[1] = "subjects=null"
    return recipe(*overrides)


def sizes(result: Recipe) -> dict[str, int]:
    return {group.group: group.count for group in case_groups(result)}


@st.composite
def pools(draw: st.DrawFn) -> tuple[dict[str, tuple[int | None, int | None]], int]:
    """Draw groups whose shares add up to 100, some with subjects of their own, and the others'."""
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=1, max_size=3)))
    shares = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
    counts = [draw(st.none() | st.integers(1, 60)) for _ in shares]
    groups = {f"g{i}": pair for i, pair in enumerate(zip(shares, counts, strict=True))}
    if draw(st.booleans()):
        groups["all"] = (None, draw(st.integers(1, 9)))
    return groups, draw(st.integers(1, 60))


@settings(max_examples=60, deadline=None)
@given(pools())
def test_shares_hold_and_one_pool_is_used_up(pooled) -> None:
    groups, common = pooled
    counts = sizes(mixed(groups, common))
    shares = {name: Fraction(s, 100) for name, (s, _) in groups.items() if s is not None}
    total = sum(counts[name] for name in shares)
    assert all(abs(counts[name] - total * share) < 2 for name, share in shares.items())
    assert counts.get("all") == groups.get("all", (None, None))[1]
    available: dict[str, int] = {"": common}
    pool_shares: dict[str, Fraction] = {}
    used: dict[str, int] = {}
    for name, share in shares.items():
        count = groups[name][1]
        pool = "" if count is None else name
        available[pool] = common if count is None else count
        pool_shares[pool] = pool_shares.get(pool, Fraction(0)) + share
        used[pool] = used.get(pool, 0) + counts[name]
    assert all(used[pool] <= available[pool] for pool in used)
    assert any((total + 1) * share > available[pool] for pool, share in pool_shares.items())


@settings(max_examples=15, deadline=None)
@given(pools(), st.integers(1, 60))
def test_another_number_of_subjects_changes_no_case_that_is_still_there(pooled, count) -> None:
    groups, common = pooled
    name, (share, before) = next(iter(groups.items()))
    changed = groups | {name: (share, None if before is None else count)}
    first, second = (
        {case.id: case.to_json() for case in iterate_cases(mixed(each, n))}
        for each, n in ((groups, common), (changed, count))
    )
    shared = first.keys() & second.keys()
    assert {id: first[id] for id in shared} == {id: second[id] for id in shared}


def test_files_of_a_group_are_its_own_and_keep_their_group(tmp_path: Path) -> None:
    for index in range(6):
        label = nib.Nifti1Image(
            np.full((8, 8, 8), 1 + index % 2, np.uint8), np.diag([4.0, 4, 4, 1])
        )
        label.to_filename(tmp_path / f"s{index}_seg.nii.gz")
    mapping = "{1: organ, 2: white_matter}"
    nifti = f"{{nifti: {{path: {tmp_path}, labels: '{{subject}}_seg.nii.gz', mapping: {mapping}}}}}"
    groups = f"groups={{made: {{share: 60 %}}, files: {{share: 40 %, subjects: {nifti}}}}}"
    result = recipe(groups, "subjects.phantom.count=3", "anatomy=[]")
    assert sizes(result) == {"files": 2, "made": 3}
    cases = list(iterate_cases(result))
    assert [case.subject["source"] for case in cases] == ["nifti"] * 2 + ["phantom"] * 3
    assert all(case.shows_source for case in cases)
    assert "organ" in label_table(recipe(groups, "anatomy=[]")).names
    assert {case.id.split("/")[1] for case in cases[:2]} <= {f"s{index}" for index in range(6)}
    assert share_warnings(result) == (
        "groups: 2 of 6 subjects of groups.files.subjects.nifti are used; the shares of the groups "
        "allow no more",
    )
    words = "\n".join(explain_recipe(result))
    assert "Group files: 40 % of the subjects, 2 subjects, 2 samples." in words
    assert f"Group files has subjects of its own: 6 subjects read from {tmp_path}." in words
    without_share = recipe(groups.replace("share: 40 %, ", "").replace("60", "100"), "anatomy=[]")
    assert sizes(without_share) == {"files": 6, "made": 10}
    twice = f"{groups[:-1]}, same: {{subjects: {nifti}}}}}"
    assert count_cases(recipe(twice, "anatomy=[]")) == 15 + 6


def test_a_recipe_of_groups_with_subjects_alone_is_read_from_its_own_text() -> None:
    result = mixed({"a": (50, 4), "b": (50, 4)}, 1)
    again = parse_recipe(result.text(), "resolved.yaml", ["output.path=h.zarr"])
    assert again.digest == result.digest
    assert count_cases(again) == count_cases(result)


def test_the_grid_holds_the_subjects_of_every_group() -> None:
    small = grid_shape(mixed({"a": (100, 2)}, 1))
    old = PHANTOM.format(2).replace("24", "36")
    both = recipe(f"groups={{a: {{share: 50 %}}, b: {{share: 50 %, subjects: {old}}}}}")
    assert all(b >= a for a, b in zip(small, grid_shape(both), strict=True))
    assert grid_shape(both) != small


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ("{a: {}}", "groups.a.share: missing; this key is required"),
        ("{a: {share: 50 %}, b: {share: 40 %, subjects: P}}", "the shares add to 90 %"),
        (
            "{a: {share: 100 %}, b: {subjects: {}}}",
            "groups.b.subjects: no subjects; allowed: learned",
        ),
        ("{a: {share: 100 %, subjects: P}}", "subjects: every group has subjects of its own"),
        (
            "{a: {share: 50 %}, b: {share: 50 %, subjects: S}}",
            "groups.b.subjects.shapes: shapes beside brains in subjects.phantom; allowed: brains",
        ),
        (
            "{a: {share: 50 %}, b: {share: 50 %, subjects: N}}",
            "anatomy[0].dilate_ventricles: group b has no ventricles among its labels: "
            "background, organ, white_matter",
        ),
        (
            "{a: {share: 50 %}, b: {subjects: {phantom: {count: 0, gestational_age_weeks: 24}}}}",
            "groups.b.subjects.phantom.count: value 0",
        ),
    ],
)
def test_subjects_of_groups_that_do_not_fit(groups: str, says: str) -> None:
    nifti = (
        "{nifti: {path: here, labels: '{subject}.nii.gz', mapping: {1: organ, 2: white_matter}}}"
    )
    text = groups.replace("subjects: P", f"subjects: {PHANTOM.format(2)}")
    text = text.replace("subjects: S", f"subjects: {SHAPES}")
    assert says in refused(f"groups={text.replace('subjects: N', f'subjects: {nifti}')}")


def test_a_group_without_images_has_no_originals_to_carry() -> None:
    own = "{share: 50 %, subjects: P, appearance: original}"
    text = f"{{a: {{share: 50 %}}, b: {own}}}".replace("P", PHANTOM.format(2))
    message = refused(f"groups={text}", "anatomy=[]")
    assert "groups.b.appearance: value original; groups.b.subjects.phantom has no image" in message
    assert "subjects.nifti" not in message


def test_a_model_has_to_know_the_labels_of_its_own_groups_alone(tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 2)):
        label = nib.Nifti1Image(np.full((8, 8, 8), value, np.uint8), np.diag([4.0, 4, 4, 1]))
        label.to_filename(tmp_path / f"{name}_seg.nii.gz")
    mapping = "mapping: {1: organ, 2: white_matter}"
    nifti = f"{{nifti: {{path: {tmp_path}, labels: '{{subject}}_seg.nii.gz', {mapping}}}}}"
    files = f"files: {{share: 50 %, subjects: {nifti}, appearance: LOOK}}"
    card = {"family": "spade", "label_table": {"names": list(FETA.names)}}
    for look, refuses in (("{contrast: random}", False), ("{model: fetal-spade}", True)):
        groups = f"groups={{heads: {{share: 50 %}}, {files.replace('LOOK', look)}}}"
        result = recipe(groups, "anatomy=[]")
        painted = Recipe(result.spec.of_group("files"), result.source)
        heads = Recipe(result.spec.painted_by(("appearance",)), result.source)
        check_model_labels(heads, card)
        if refuses:
            with pytest.raises(PlanError, match="groups files: labels: organ: the model"):
                check_model_labels(painted, card)
