"""The recipes that ship: each says what it is, validates, plans, and fits its JSON Schema."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from support.places import ROOT

from factory.config.document import read_yaml
from factory.config.loading import parse_document
from factory.errors import FactoryError
from factory.families.registry import load_training, untrained_family
from factory.planning.cases import count_cases, iterate_cases
from factory.planning.explain import explain_recipe
from factory.planning.machine import Machine
from factory.planning.plan import make_plan
from factory.schema.json_schema import recipe_schema
from factory.schema.render_recipe import RenderRecipe, load_recipe_file
from factory.storage.subjects.head_ultrasound import HEAD
from factory.storage.subjects.short_axis import HEART

RENDER = sorted((ROOT / "recipes").glob("*.yaml"))
TRAIN = sorted((ROOT / "recipes" / "train").glob("*.yaml"))
MACHINE = Machine(cores=2, memory_bytes=8 * 10**9, disk_bytes=10**12)


def plain(path: Path) -> object:
    """A recipe as an editor sees it: JSON, its keys text."""
    return json.loads(json.dumps(read_yaml(path.read_text(), path.name).data))


@pytest.mark.parametrize("path", RENDER + TRAIN, ids=lambda path: path.stem)
def test_three_lines_say_what_for_whom_and_how_long(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert all(line.startswith("# ") for line in lines[:3])
    assert lines[1].lower().startswith("# for")
    assert any(word in lines[2] for word in ("minute", "hour", "second"))
    assert not lines[3].startswith("#")


@pytest.mark.parametrize("path", RENDER, ids=lambda path: path.stem)
def test_a_render_recipe_plans(path: Path, hearts: Path, ultrasounds: Path, tmp_path: Path) -> None:
    recipe, card = load_recipe_file(path), {"config": {"hidden": 32, "width": 12}}
    if recipe.spec.latents:  # of a model that is not ours to ship
        card = {"family": "stylegan2", "sha256": {}, "config": {"resolution": 64}}
        card["config"]["image_channels"] = 1
        card["label_table"] = {"names": list(HEART.names), "colours": list(HEART.colours)}
        (tmp_path / "card.json").write_text(json.dumps(card))
        recipe = load_recipe_file(path, (f"latents.model={tmp_path}",))
    if recipe.spec.subjects.short_axis:  # of data that is not ours to ship
        own = (f"subjects.short_axis.path={hearts}", "interpolate.between=[P0-ED, P1-ED]")
        recipe = load_recipe_file(path, own)
        card |= {"label_table": {"names": list(HEART.names)}}
    if recipe.spec.subjects.ultrasound:
        recipe = load_recipe_file(path, [f"subjects.ultrasound.path={ultrasounds}"])
        card |= {"label_table": {"names": list(HEAD.names)}}
    if family := untrained_family(recipe.data.get("appearance")):
        card = dict(family.untrained_card)
    made = make_plan(recipe, card, 15_000_000, MACHINE)
    ids = [case.id for case in iterate_cases(recipe)]
    assert made.layout.samples == count_cases(recipe) == len(set(ids)) == len(ids)
    assert explain_recipe(recipe)[0].startswith(f"Makes {len(ids)} samples")


@pytest.mark.parametrize(
    ("kind", "paths", "load"),
    [("render", RENDER, load_recipe_file), ("train", TRAIN, load_training)],
    ids=["render", "train"],
)
def test_recipes_fit_the_schema_and_the_schema_finds_mistakes(kind, paths, load) -> None:
    schema = recipe_schema(kind).to_json()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert paths
    for path in paths:
        load(path)
        data = plain(path)
        assert [error.message for error in validator.iter_errors(data)] == []
        spoilers = [
            lambda d: d.update(sead=1),
            lambda d: d.update(seed="one"),
            lambda d: d.update(subjects=3),
        ]
        if "include" not in data:  # what an included file gives, no editor knows
            spoilers.append(lambda d: d.pop("seed"))
        for spoil in spoilers:
            other = copy.deepcopy(data)
            spoil(other)
            # what a recipe that includes others leaves out, they may give
            allowed = "include" in data and other.keys() < data.keys()
            assert allowed != bool(list(validator.iter_errors(other)))


def test_what_the_language_allows_the_schema_allows() -> None:

    from campaigns import fuzz

    data = json.loads(json.dumps(read_yaml(fuzz.RICH, "rich.yaml").data))
    validator = jsonschema.Draft202012Validator(recipe_schema("render").to_json())
    assert [error.message for error in validator.iter_errors(data)] == []
    part = {"include": "clinic.yaml", "seed": 3}  # what an included file gives, no editor knows
    assert list(validator.iter_errors(part)) == []


def test_tissues_and_units_are_there_to_complete() -> None:
    text = json.dumps(recipe_schema("render").to_json())
    for word in ("white_matter", "closest_two", "20 to 38 weeks", "0 to 30 mm", "lognormal"):
        assert word in text


def test_another_kind_of_schema_is_refused() -> None:
    with pytest.raises(FactoryError, match="did you mean render"):
        recipe_schema("rendr")


def test_a_list_of_parameters_is_said_by_its_axes() -> None:

    from campaigns import fuzz

    said = " ".join(explain_recipe(parse_document(fuzz.LANGUAGE, "rich.yaml", RenderRecipe)))
    turned = "z drawn evenly from -10 to 10 degrees, y 0 degrees, x one of -5 (33.3 %)"
    assert turned in said
    assert "flip one of yes, no" in said
