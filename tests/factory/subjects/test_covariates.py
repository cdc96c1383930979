"""Ages and other covariates of subjects in files: from a table, or from the names of the files."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from factory.cli import main
from factory.config.loading import parse_document
from factory.errors import FactoryError
from factory.execution.worker import requested_columns
from factory.planning.cases import iterate_cases
from factory.schema.render_recipe import Recipe, RenderRecipe
from factory.storage.errors import StorageError

RECIPE = """
seed: 1
subjects:
  nifti:
    path: {folder}
    labels: "{labels}"
    images: "{images}"
    mapping: {{1: liver, 2: spleen}}
    {table}
anatomy:
  - dilate: {{structure: liver, mm: 2}}
    when: {when}
appearance: original
output: {{path: {folder}/o.zarr, spacing_mm: 2, shape: [32, 32, 32]}}
"""


def write(folder: Path, name: str) -> None:
    label = np.zeros((16, 16, 16), np.uint8)
    label[4:12, 4:12, 4:12] = 1
    label[4, 4, 4] = 2
    nib.save(nib.Nifti1Image(label, np.diag([2.0, 2, 2, 1])), folder / f"{name}_seg.nii.gz")
    nib.save(nib.Nifti1Image(label * 9, np.diag([2.0, 2, 2, 1])), folder / f"{name}_mr.nii.gz")


def recipe(
    folder: Path,
    *,
    table: str = "",
    when: str = "age_years > 50",
    name: str = "{{subject}}",
) -> Recipe:
    text = RECIPE.format(
        folder=folder,
        table=f"participants: {folder}/{table}" if table else "",
        when=when,
        labels=f"{name}_seg.nii.gz".replace("{{", "{").replace("}}", "}"),
        images=f"{name}_mr.nii.gz".replace("{{", "{").replace("}}", "}"),
    )
    document = parse_document(text, "r.yaml", RenderRecipe)
    return Recipe(document.spec, document.source, document.overrides, document.places)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        write(tmp_path, name)
    return tmp_path


def test_a_table_gives_columns_and_conditions(folder: Path) -> None:
    rows = "participant_id\tAge (years)\tsex\tsite\nsub-a\t61.5\tF\t2\nb\t40\tM\t3\n"
    (folder / "p.tsv").write_text(rows)
    first, second = iterate_cases(recipe(folder, table="p.tsv", when="age_years > 50"))
    assert len(first.edits) == 1
    assert not second.edits
    columns = requested_columns(first)
    assert (columns["age_years"], columns["sex"], columns["site"]) == (61.5, "F", 2)
    assert columns["subject"] == "a"
    by_sex = recipe(folder, table="p.tsv", when="sex == 'M' and site != 2")
    assert [len(case.edits) for case in iterate_cases(by_sex)] == [0, 1]


def test_names_of_files_give_columns_and_the_age_at_birth(tmp_path: Path) -> None:
    for name in ("sub-1_ga-21.5w", "sub-2_ga-30w"):
        write(tmp_path, name)
    name = "sub-{{subject}}_ga-{{gestational_age_weeks}}w"
    made = recipe(tmp_path, name=name, when="gestational_age_weeks > 25")
    cases = list(iterate_cases(made))
    assert [case.subject["id"] for case in cases] == ["1", "2"]
    assert [len(case.edits) for case in cases] == [0, 1]
    assert [requested_columns(case)["gestational_age_weeks"] for case in cases] == [21.5, 30]
    assert made.spec.catalogue.ages == [21.5, 30]


@pytest.mark.parametrize(
    ("rows", "when", "message"),
    [
        ("participant_id\tage_years\na\t1\n", "age_years > 5", "p.tsv: no row for b"),
        ("participant_id\tage_years\na\tx\nb\t1\n", "age_years > 5", "line 2: age_years 'x'; al"),
        ("participant_id\tage_years\na\t1\na\t1\n", "age_years > 5", "line 3: a has an earlier"),
        ("id\tage_years\na\t1\nb\t1\n", "age_years > 5", "needs the column participant_id, has id"),
        ("participant_id\tage\na\t1\nb\t1\n", "aeg > 5", "no such name aeg; allowed: age, gest"),
        ("participant_id\tsex\na\tF\nb\tM\n", "sex > 5", "of subject a it compares text with"),
        ("participant_id\tsex\na\tF\nb\tM\n", "sex > 'F'", "allowed: numbers and names to compare"),
        ("participant_id\tage\tAge\na\t1\t1\n", "age > 5", "age and Age are both age; allowed"),
        ("participant_id\tage\na\t1\nb\tn/a\n", "age > 5", "age of subject b is not known"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(
    folder: Path, rows: str, when: str, message: str
) -> None:
    (folder / "p.tsv").write_text(rows)
    with pytest.raises((FactoryError, StorageError), match=message) as error:
        list(iterate_cases(recipe(folder, table="p.tsv", when=when)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("age > 5", "age of subject b is not known; allowed: a value for every subject"),
        ("mm > 9 and sex > 5", "of subject a it compares text with numbers; allowed: numbers"),
    ],
)
def test_a_condition_without_a_value_is_refused_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], when: str, message: str
) -> None:
    (folder / "p.tsv").write_text("participant_id\tage\tsex\na\t9\tF\nb\tn/a\tM\n")
    file = folder / "r.yaml"
    text = RECIPE.format(
        folder=folder,
        table=f"participants: {folder}/p.tsv",
        when="replicate == 0",
        labels="{subject}_seg.nii.gz",
        images="{subject}_mr.nii.gz",
    )
    edit = f"  - erode: {{structure: liver, mm: 1}}\n    when: {when}\n"
    file.write_text(text.replace("appearance:", f"{edit}appearance:"))
    line = 1 + file.read_text().splitlines().index(f"    when: {when}")
    for command in (["plan"], ["plan", "--explain"], ["plan", "--cases"], ["render"]):
        assert main([*command, str(file)]) == 2
        error = capsys.readouterr().err
        assert f"{file}:{line}:11: anatomy[1].when: value {when}; " in error
        assert message in error
        assert error.count("\n") == 1
    assert not (folder / "o.zarr").exists()


def test_a_list_of_participants_takes_these_subjects_alone(folder: Path) -> None:
    def listed(persons: str) -> list[str]:
        files = {"labels": "{subject}_seg.nii.gz", "images": "{subject}_mr.nii.gz"}
        table = f"participants: {persons}"
        text = RECIPE.format(folder=folder, table=table, when="replicate == 0", **files)
        spec = parse_document(text, "r.yaml", RenderRecipe).spec
        return [record["id"] for record in spec.catalogue.records]

    assert listed("[b]") == ["b"]
    with pytest.raises(StorageError, match="no subject 'c'; there are a, b"):
        listed("[b, c]")
