"""Recipes: what loads, what is refused, and that every refusal is one line one can act on."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config.loading import load_document, parse_document
from factory.errors import RecipeError
from factory.schema.render_recipe import Recipe, RenderRecipe, load_recipe_file

TEXT = """\
seed: 2021
subjects:
  phantom:
    count: 4
    gestational_age_weeks: {uniform: [21, 34]}
anatomy:
  - dilate_ventricles:
      grade: {each: [0, 1, 2, 3, 4]}
      grades_mm: {0: 0, 1: 1.5, 2: 3, 3: 4.5, 4: 6}
      into: [white_matter, deep_grey_matter]
appearance: {model: fetal-spade, fuse: mean}
output:
  path: h.zarr
"""


def recipe(text: str = TEXT, *overrides: str) -> Recipe:
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


def refused(text: str = TEXT, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe(text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("h.yaml")
    return message


def test_the_shipped_recipe_is_what_the_issue_describes() -> None:
    spec = load_recipe_file("recipes/hydrocephalus.yaml").spec
    assert spec.subjects.learned is not None
    assert spec.subjects.learned.count == 4
    assert spec.subjects.learned.gestational_age_weeks.uniform == (21, 34)
    edit = spec.anatomy[0].ventriculomegaly
    assert edit is not None
    assert edit.grade.each == (0, 1, 2, 3, 4)
    assert spec.output.spacing_mm == 1.0
    assert spec.groups is not None
    assert {name: group.share for name, group in spec.groups.items()} == {
        "painted": 50.0,
        "random": 50.0,
    }
    assert spec.of_group("painted").model == "fetal-spade"
    assert spec.of_group("random").model == "contrast"


def test_what_is_asked_for_by_default_may_be_said() -> None:
    """Without becoming another recipe, whose datasets could not be resumed."""
    plain = recipe()
    assert recipe(TEXT, "appearance.mixed_precision=false").digest == plain.digest
    assert recipe(TEXT, "appearance.mixed_precision=true").digest != plain.digest


def test_a_train_recipe_is_not_rendered() -> None:
    assert "family: a train recipe; allowed: a render recipe" in refused("family: spade\n" + TEXT)


REFUSED = [
    # old text, new text, line, key, what else the message says
    (
        "fuse: mean",
        "mixed_precision: 1",
        11,
        "appearance.mixed_precision",
        "allowed: true or false",
    ),
    ("count: 4", "cuont: 4", 4, "subjects.phantom.cuont", "did you mean count?"),
    ("count: 4", "count: 0", 4, "subjects.phantom.count", "value 0; allowed: a whole number"),
    ("count: 4", "count: 4.5", 4, "subjects.phantom.count", "value 4.5; allowed: a whole number"),
    ("count: 4", "count: true", 4, "subjects.phantom.count", "value true; allowed"),
    ("count: 4", "count: '4'", 4, "subjects.phantom.count", "value 4; allowed: a whole"),
    ("    count: 4\n", "", 3, "subjects.phantom.count", "missing"),
    ("{uniform: [21, 34]}", "40", 5, "gestational_age_weeks", "value 40; allowed: 20 to 38"),
    ("[21, 34]", "[34, 21]", 5, "gestational_age_weeks.uniform", "allowed: [low, high]"),
    ("[21, 34]", "[21, 39]", 5, "gestational_age_weeks.uniform[1]", "value 39; allowed: 20 to 38"),
    ("uniform", "unifrom", 5, "gestational_age_weeks", "did you mean uniform?"),
    ("each: [0, 1, 2, 3, 4]", "each: [0, 7]", 8, "grade.each[1]", "value 7; allowed: 0, 1, 2, 3"),
    ("each: [0, 1, 2, 3, 4]", "each: []", 8, "grade.each", "at least one value"),
    ("each: [0, 1, 2, 3, 4]", "each: [1, 1]", 8, "grade.each[1]", "listed twice"),
    ("each: [0, 1, 2, 3, 4]", "choice: {0: 1, 9: 1}", 8, "grade.choice[9]", "allowed: 0, 1, 2"),
    ("each: [0, 1, 2, 3, 4]", "uniform: [0, 1]", 8, "grade", "a value or one of each"),
    ("      grades_mm", "      radius_mm: 2\n      grades_mm", 7, "dilate_ventricles", "both"),
    ("{0: 0, 1: 1.5,", "{0: -1, 1: 1.5,", 9, "grades_mm[0]", "value -1; allowed: 0 to 30 mm"),
    ("[white_matter,", "[white_mater,", 10, "into[0]", "did you mean white_matter?"),
    ("[white_matter,", "[ventricles,", 10, "into", "allowed: a list, without repeats, of"),
    ("fuse: mean", "fuse: meen", 11, "appearance.fuse", "did you mean mean?"),
    ("fuse: mean", "fuse: {reject_outliers: {m: 0}}", 11, "reject_outliers.m", "above 0"),
    ("path: h.zarr", "path: h.zarr\n  spacing_mm: 0", 14, "output.spacing_mm", "0.2 to 5 mm"),
    ("path: h.zarr", "path: h.zarr\n  range: [1, 1]", 14, "output.range", "[low, high]"),
    ("path: h.zarr", "path: h.zarr\n  shape: cube", 14, "output.shape", "auto, or voxels"),
    ("path: h.zarr", "path: h.zarr\n  original: true", 14, "output.original", "no image"),
    ("seed: 2021", "seed: -1", 1, "seed", "value -1; allowed"),
    ("seed: 2021", "seed: .nan", 1, "seed", "finite"),
    ("seed: 2021", "seed: 2021-01-01", 1, "seed", "a date"),
    ("seed: 2021", "seed: " + "9" * 400, 1, "seed", "at most 18 digits"),
    ("seed: 2021", "seed: 1\nseed: 2", 2, "seed", "given twice"),
    ("seed: 2021", "seed: !!python/name:os.system x", 1, "seed", "is not allowed"),
    ("seed: 2021", "seed: !mine 3", 1, "seed", "is not allowed"),
    ("seed: 2021", 'seed: "a\\nb"', 1, "seed", "must fit one line"),
    ("seed: 2021", 'seed: "\\ud800"', 1, "seed", "must fit one line"),
    ("seed: 2021", "seed: 2021\n\tx: 1", 2, "", "not valid YAML"),
    ("seed: 2021", "seed: 2021\x00", 1, "", "not valid YAML"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "says"), REFUSED)
def test_a_mistake_is_named_with_its_line(
    old: str, new: str, line: int, key: str, says: str
) -> None:
    assert TEXT.count(old) == 1
    message = refused(TEXT.replace(old, new))
    assert re.match(rf"h\.yaml:{line}:\d+: ", message)
    assert f"{key}: " in message or not key
    assert says in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "[]",
        "- a",
        "a: [",
        "a: b: c",
        "%YAML 9.9\n---\na: 1",
        "a: 1\n---\nb: 2",
        "&a [*a]",
        "a: &x {b: *x}",
        "[" * 700,
        "{a: " * 200,
        "? [1]\n: 2",
        "<<: {seed: 1}",
        "seed: *nobody",
        "x" * 500_000,
        "seed: !!binary aGk=",
        "seed: !!float abc",
        "seed: !!int 0x",
    ],
    ids=range(19),
)
def test_broken_files_are_refused_in_one_line(text: str) -> None:
    refused(text)


def test_aliases_are_expanded_but_not_without_end() -> None:
    shared = TEXT.replace("{uniform: [21, 34]}", "&age {uniform: [21, 34]}")
    assert recipe(shared).digest == recipe().digest
    bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for new, old in zip("bcdefgh", "abcdefg", strict=True):
        bomb += f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    assert "aliases expanded" in refused(bomb)


def test_unreadable_files(tmp_path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("seed: é".encode("latin-1"))
    for file in (latin, tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(RecipeError, match=r"cannot be read|not UTF-8") as caught:
            load_document(file, RenderRecipe)
        assert str(file) in str(caught.value)


def test_set_changes_any_key_and_is_recorded() -> None:
    changes = (
        "subjects.phantom.count=1000",
        "anatomy.0.dilate_ventricles.into=[white_matter]",
        "anatomy[0].dilate_ventricles.grade.each.4=3.0e0",
        "output.uncertainty=true",
        "appearance.fuse={reject_outliers: {m: 2}}",
    )
    # 3.0e0 is a decimal, and grades are whole: the third change alone is refused
    assert "grade.each[4]" in refused(TEXT, *changes)
    changed = recipe(TEXT, *changes[:2], *changes[3:])
    spec = changed.spec
    assert spec.subjects.phantom is not None
    assert spec.subjects.phantom.count == 1000
    assert spec.anatomy[0].dilate_ventricles is not None
    assert spec.anatomy[0].dilate_ventricles.into == ("white_matter",)
    assert spec.output.uncertainty
    assert changed.record()["overrides"] == [*changes[:2], *changes[3:]]
    assert changed.record()["resolved"]["appearance"]["fuse"] == {"reject_outliers": {"m": 2.0}}


def test_set_null_takes_a_key_away() -> None:
    by_radius = recipe(
        TEXT,
        "anatomy.0.dilate_ventricles.radius_mm={uniform: [1, 4]}",
        "anatomy.0.dilate_ventricles.grade=null",
        "anatomy.0.dilate_ventricles.grades_mm=",
    )
    edit = by_radius.data["anatomy"][0]["dilate_ventricles"]
    assert set(edit) == {"radius_mm", "into"}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("subjects.phantom.cuont=5", "did you mean count?"),
        ("subject.phantom.count=5", "did you mean subjects?"),
        ("subjects.phantom.count=five", "value five; allowed: a whole number"),
        ("anatomy.3.dilate_ventricles.grade=1", "no item 3; allowed: 0 to 0"),
        ("anatomy.first.dilate_ventricles.grade=1", "no item first"),
        ("seed.more=1", "value 2021 has no key"),
        ("seed", "allowed: KEY=VALUE"),
        ("=1", "allowed: KEY=VALUE"),
        ("seed=[", "not valid YAML"),
        ("..=1", "unknown key"),
        ("seed=" + "[" * 700, "nested deeper"),
    ],
)
def test_a_mistake_in_set_names_the_set(override: str, says: str) -> None:
    message = refused(TEXT, override)
    assert message.startswith(f"h.yaml: --set {override[:50]}")
    assert says in message


def test_the_digest_is_of_what_is_made_not_where_or_how_it_is_written() -> None:
    digest = recipe().digest
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert recipe(TEXT, "output.path=elsewhere.zarr").digest == digest
    assert (
        recipe("# a comment\n" + TEXT.replace("seed: 2021\n", "") + "seed: 2021").digest == digest
    )
    assert recipe(TEXT, "replicates=1", "output.spacing_mm=1").digest == digest
    assert recipe(TEXT, "replicates=2").digest != digest
    assert recipe(TEXT, "seed=1").digest != digest


def test_every_distribution_is_accepted_where_it_belongs() -> None:
    key = "subjects.phantom.gestational_age_weeks"
    for value in (
        "28",
        "{each: [24, 28]}",
        "{choice: [24, 28]}",
        "{choice: {24: 0.3, 28: 0.7}}",
        "{normal: {mean: 28, sd: 3, min: 22, max: 34}}",
    ):
        assert recipe(TEXT, f"{key}={value}").data["subjects"]["phantom"]
    assert "allowed: 20 to 38" in refused(TEXT, key + "={choice: {24: 1, 48: 1}}")
    assert "weight" in refused(TEXT, key + "={choice: {24: 0, 28: 0}}")
    assert "max: missing" in refused(TEXT, key + "={normal: {mean: 28, sd: 3, min: 22}}")
    far = "={normal: {mean: 20, sd: 0.1, min: 30, max: 34}}"
    assert "one draw in a thousand" in refused(TEXT, key + far)


def test_sources_read_from_files() -> None:
    bids = recipe(TEXT, "subjects={bids: {path: d, rec: mial, mapping: spina-bifida-atlas}}")
    assert bids.data["subjects"] == {
        "bids": {"path": "d", "rec": "mial", "mapping": "spina-bifida-atlas"}
    }
    named = refused(TEXT, "subjects={bids: {path: d, mapping: spina-bifida}}")
    assert "did you mean spina-bifida-atlas?" in named
    assert "mapping[2]: value Left Kidney; allowed" in refused(
        TEXT, "subjects={bids: {path: d, mapping: {1: white_matter, 2: Left Kidney}}}"
    )
    assert "lateral ventricles alone in subjects.phantom" in refused(
        TEXT, "subjects.bids={path: d, mapping: spina-bifida-atlas}"
    )
    pattern = refused(TEXT, "subjects={nifti: {path: d, labels: seg.nii.gz}}")
    assert "allowed: a file name with {subject} in it" in pattern
    none = refused(TEXT, "subjects.phantom=null")
    assert "no subjects; allowed: learned, phantom, shapes, bids, nifti" in none


def loads_or_is_one_line(text: str, *overrides: str) -> None:
    message = ""
    try:
        assert len(recipe(text, *overrides).digest) == 64
    except RecipeError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    assert message.startswith("h.yaml") or not message


ODD = st.sampled_from(
    ["", "null", "-1", "1e9", "[]", "{}", "{each: 3}", "[1, [2]]", "é", "'", "*a", "&a", "!!x",
     "{normal: 3}", "{choice: {a: b}}", "9" * 30, "\t", "|", "? ", "{{}: 1}", "%", "{value}", "@"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_mutation_of_a_recipe_ends_in_anything_but_one_line(data: st.DataObject) -> None:
    lines = TEXT.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        cut = data.draw(st.integers(0, len(line)))
        match data.draw(st.integers(0, 4)):
            case 0:
                lines[index] = line[:cut] + data.draw(ODD) + line[cut:]
            case 1:
                lines[index] = line[:cut]
            case 2:
                lines[index] = line.partition(":")[0] + ": " + data.draw(ODD)
            case 3:
                lines.insert(index, data.draw(st.sampled_from(lines)))
            case 4:
                lines[index] = line[: max(cut - 1, 0)] + line[cut:]
    loads_or_is_one_line("\n".join(lines))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["seed", "subjects", "subjects.phantom", "anatomy", "anatomy.0", "output",
                     "anatomy.0.dilate_ventricles.grade", "appearance.fuse", "output.range", "x"]),
    st.one_of(ODD, st.text(max_size=12)),
)  # fmt: skip
def test_no_set_ends_in_anything_but_one_line(key: str, value: str) -> None:
    loads_or_is_one_line(TEXT, f"{key}={value}")
