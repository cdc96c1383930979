"""What no refactoring may change: digests, cases, datasets, public names and help texts.

`PYTHONPATH=tests python -m golden.record` records them anew, where an issue orders other bits.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from golden import values, workplace

ON_RAY = ("head", "head with a scanner", "hearts", "ultrasound")


def recorded(name: str) -> Any:
    return json.loads((values.RECORDED / name).read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workplace.set_up(tmp_path_factory.mktemp("golden") / "workplace")


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "100")


def test_recipes_have_their_digests_and_cases(place: Path) -> None:
    computed, golden = values.recipe_values(place), recorded("recipes.json")
    assert computed.keys() == golden.keys()
    for name, recipe in computed.items():
        assert recipe == golden[name], name


@pytest.mark.parametrize("name", values.DATASETS)
def test_a_dataset_equals_the_recorded_one(name: str) -> None:
    """Bit for bit in the environment of the record; elsewhere to what convolutions may differ."""
    computed = values.dataset_values(values.render(name, "--serial"))
    golden = recorded("datasets.json")[name]
    if computed["environment"] == golden["environment"]:
        assert computed["digest"] == golden["digest"]
    assert computed["columns"] == golden["columns"]
    assert computed["arrays"] == golden["arrays"]
    for sample, expected in zip(computed["summary"], golden["summary"], strict=True):
        assert sample["voxels"] == pytest.approx(expected["voxels"], rel=0.002, abs=3)
        assert sample["intensity"] == pytest.approx(expected["intensity"], abs=0.002)


@pytest.mark.parametrize("name", ON_RAY)
def test_ray_makes_the_same_dataset(name: str, place: Path) -> None:
    serial = place / f"{name.replace(' ', '-')}--serial.zarr"
    if not serial.exists():
        values.render(name, "--serial")
    digests = {
        values.dataset_values(path)["digest"]
        for path in (str(serial), values.render(name, "--actors=1"))
    }
    assert len(digests) == 1


def test_public_names_exist() -> None:
    assert values.public_names() == {key: list(names) for key, names in values.PUBLIC.items()}


def test_help_texts_are_those_recorded() -> None:
    assert values.help_texts() == recorded("help.json")
