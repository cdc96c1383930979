"""Subjects of an anatomy generator, and subjects on the way between two label maps."""

from pathlib import Path

import numpy as np
import pytest

import factory
from factory import cli
from factory.subjects import ways
from factory.subjects.ways import list_ends, way_record

LEARNED = """
seed: 5
subjects: {{learned: {{model: {model}, count: 3, variation: {variation}}}}}
appearance: {{contrast: random}}
output: {{path: {output}, spacing_mm: 4.0}}
"""

WAY = """
seed: 5
subjects:
  nifti: {{path: {people}, labels: "{{subject}}.nii.gz", mapping: {{1: body, 2: organ}}}}
interpolate: {{between: [p0, p1], steps: 3}}
appearance: {{contrast: random}}
output: {{path: {output}, spacing_mm: 4.0}}
"""


def render(folder: Path, text: str) -> list[np.ndarray]:
    recipe = folder / "r.yaml"
    recipe.write_text(text)
    assert cli.main(["render", str(recipe), "--serial"]) == 0
    return [sample.arrays["label"] for sample in factory.open(str(folder / "d.zarr"))]


def test_a_recipe_renders_individuals_of_a_model(bodies: Path, tmp_path: Path) -> None:
    text = LEARNED.format(model=bodies, variation=1, output=tmp_path / "d.zarr")
    labels = render(tmp_path, text)
    assert len(labels) == 3
    assert all(set(np.unique(label)) == {0, 1, 2} for label in labels)
    assert not np.array_equal(labels[0], labels[1])
    assert list(factory.open(str(tmp_path / "d.zarr")).labels) == ["background", "body", "organ"]


def test_subjects_on_a_way_go_from_the_first_to_the_last(bodies: Path, tmp_path: Path) -> None:
    people = bodies.parent.parent / "people"
    labels = render(tmp_path, WAY.format(people=people, output=tmp_path / "d.zarr"))
    sizes = [int((label > 0).sum()) for label in labels]
    assert len(labels) == 3
    assert sizes == sorted(sizes) or sizes == sorted(sizes, reverse=True)


def test_a_plan_of_ways_registers_nobody(
    bodies: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ways, "_register", None)
    recipe = tmp_path / "r.yaml"
    people = bodies.parent.parent / "people"
    recipe.write_text(WAY.format(people=people, output=tmp_path / "d.zarr"))
    assert cli.main(["plan", str(recipe)]) == 0
    assert cli.main(["plan", str(recipe), "--explain"]) == 0
    text = f"3 new subjects by registration of those in {people}: 3 on each way p0 to p1."
    assert text in capsys.readouterr().out


def test_a_record_of_a_way_has_its_ends_and_the_age_between() -> None:
    first = {"source": "bids", "id": "a", "label": "a.nii", "gestational_age_weeks": 24.0}
    last = {**first, "id": "b", "label": "b.nii", "gestational_age_weeks": 28.0}
    record = way_record(first, last, 1, 3)
    assert record["gestational_age_weeks"] == 25
    assert [end["label"] for end in list_ends(record)] == ["a.nii", "b.nii"]
    assert [end["id"] for end in list_ends(record)] == ["a", "b"]
    assert list(list_ends(first)) == [first]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("subjects.learned.gestational_age_weeks=30", "knows no ages; allowed: without"),
        (
            "groups={a: {subjects: {learned: {model: fetal-anatomy, count: 1}}},"
            " b: {share: 100 %}}",
            "groups.a.subjects.learned.gestational_age_weeks: missing; allowed: 20 to 36 weeks",
        ),
        ("subjects.learned.model=fetal-spade", "a model of the family spade; allowed: a model of"),
        ("subjects.learned.model=nothing", "nothing: no such model"),
        ("subjects.learned.phase=ED", "value ED; allowed: no phase, since it knows none"),
        ("subjects.learned.variation=9", "allowed: 0 to 2"),
    ],
)
def test_what_a_model_cannot_draw_is_one_line(
    bodies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, text: str
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(LEARNED.format(model=bodies, variation=1, output=tmp_path / "d.zarr"))
    assert cli.main(["plan", str(recipe), "--set", change]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("interpolate.slices=8", "allowed: with a model, a label VAE"),
        ("interpolate.between=null", "allowed: between or pairs"),
        ("interpolate.between=[p0, q]", "no subject 'q'"),
    ],
)
def test_what_a_way_cannot_be_is_one_line(
    bodies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, text: str
) -> None:
    recipe = tmp_path / "r.yaml"
    people = bodies.parent.parent / "people"
    recipe.write_text(WAY.format(people=people, output=tmp_path / "d.zarr"))
    assert cli.main(["plan", str(recipe), "--set", change]) == 2
    assert text in capsys.readouterr().err
