"""A recipe grows and its dataset with it: indices stay, and nothing that stands is rendered."""

import json
from dataclasses import replace

import pytest
from support.recipes import recipe
from support.tiny_models import RECIPE, small, tiny_model

from factory import cli
from factory.errors import RecipeError
from factory.planning.append import ordered_cases, refuse_changes
from factory.planning.cases import iterate_cases
from factory.planning.plan import Shard
from factory.storage.dataset.open import open_dataset

GRADES = "anatomy=[{{dilate_ventricles: {{grade: {{each: {}}}, grades_mm: {{0: 0, 1: 1, 2: 2}}, into: [white_matter]}}}}]"  # noqa: E501


def made(count: int, grades: str, replicates: int = 1, shape: str = "[96, 96, 96]"):
    return recipe(
        f"subjects.phantom.count={count}",
        GRADES.format(grades),
        f"replicates={replicates}",
        f"output.shape={shape}",
    )


def test_what_is_added_comes_last_and_nothing_moves() -> None:
    """A grade between two others, a subject and a replicate, one after the other."""
    recipes = (made(2, "[0, 2]"), made(2, "[0, 1, 2]"), made(3, "[0, 1, 2]", 2))
    order = [[case.id for case in ordered_cases(recipes[n], recipes[:n])] for n in range(3)]
    assert order[1][:4] == order[0] == [case.id for case in iterate_cases(recipes[0])]
    assert order[2][:6] == order[1]
    assert sorted(order[2]) == sorted(case.id for case in iterate_cases(recipes[2]))
    for n in (1, 2):
        refuse_changes(recipes[n], recipes[:n])
    assert order[1][4:] == ["phantom-0000/grade=1/0", "phantom-0001/grade=1/0"]


@pytest.mark.parametrize(
    ("grown", "says"),
    [
        (made(1, "[0, 1, 2]"), "sample phantom-0001/grade=0/0 and 1 more of the dataset would be"),
        (made(2, "[0, 1]"), "sample phantom-0000/grade=2/0 and 1 more"),
        (made(2, "[0, 1, 2]", shape="[96, 96, 112]"), r"with --append: shape: \[96, 96, 96\]"),
        (replace(made(2, "[0, 2]"), spec=made(2, "[0, 2]").spec.model_copy(update={"seed": 8})),
         "appearance of sample phantom-0000/grade=0/0 would be another"),
    ],
)  # fmt: skip
def test_a_recipe_that_does_more_than_add_is_refused(grown, says) -> None:
    with pytest.raises(RecipeError, match=says):
        refuse_changes(grown, [made(2, "[0, 2]")])


def test_a_shard_without_the_samples_that_stand() -> None:
    shard = Shard(2, 6, tuple(iterate_cases(made(3, "[0]"))))
    assert shard.after(5) is shard
    assert shard.after(7) == Shard(2, 7, shard.cases[1:])


def test_append_on_the_command_line(capsys, tmp_path) -> None:
    options = [*small(tiny_model(tmp_path / "tiny")), "--set=output.samples_per_shard=2"]
    grade = "--set=anatomy.0.ventriculomegaly.grade={each: %s}"

    def run(verb: str, grades: str, out: str, *more: str) -> tuple[int, dict]:
        where = [grade % grades, "--output", str(tmp_path / out), "--json", *more]
        code = cli.main([verb, RECIPE, *options, *where])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if code == 0 else captured.err

    assert run("render", "[0, 1, 4]", "d", "--serial", "--append")[1]["rendered"] == 3
    before = open_dataset(str(tmp_path / "d"))
    stored = [before.sample(i) for i in range(3)]
    ledger = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "d/ledger").iterdir()}
    code, said = run("render", "[0, 1, 2, 4]", "d", "--serial")
    assert (code, "made by another recipe" in said) == (2, True)

    planned = run("plan", "[0, 1, 2, 4]", "d", "--append")[1]
    assert (planned["samples"], planned["shards"], planned["done"]) == (4, 2, 1)
    grown = run("render", "[0, 1, 2, 4]", "d", "--serial", "--append")[1]
    assert (grown["complete"], grown["samples"], grown["rendered"]) == (True, 4, 1)
    assert list(open_dataset(str(tmp_path / "d")).cases()["grade"]) == [0, 1, 4, 2]
    for i, was in enumerate(stored):
        now = open_dataset(str(tmp_path / "d")).sample(i)
        assert now.case == was.case
        assert all((now.arrays[name] == was.arrays[name]).all() for name in was.arrays)
    kept = tmp_path / "d/ledger" / sorted(ledger)[0]
    assert kept.stat().st_mtime_ns == ledger[kept.name]

    # the same recipe again has nothing to do, with the word or without; repair knows the order
    for more in ((), ("--append",)):
        again = run("render", "[0, 1, 2, 4]", "d", "--serial", *more)[1]
        assert (again["rendered"], again["digest"]) == (0, grown["digest"])
    (tmp_path / "d/image/c/1/0/0/0").unlink()
    kept.unlink()
    assert cli.main(["repair", str(tmp_path / "d"), "--serial"]) == 0
    assert open_dataset(str(tmp_path / "d")).digest() == grown["digest"]
    code, said = run("render", "[0, 1, 2]", "d", "--serial", "--append")
    assert (code, "would be gone" in said) == (2, True)
