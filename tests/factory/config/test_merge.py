"""Includes: parts joined key by key, their mistakes placed in them."""

import re
from pathlib import Path

import pytest
from support.recipes import TEXT, refused

from factory.config.loading import load_document, parse_document
from factory.errors import RecipeError
from factory.schema.render_recipe import RenderRecipe


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_a_part_is_joined_key_by_key_and_the_recipe_wins(tmp_path) -> None:
    write(
        tmp_path,
        part="seed: 1\noutput: {path: p.zarr, spacing_mm: 2}\nappearance: {model: fetal-spade}\n",
        other="output: {spacing_mm: 1.5}\n",
        whole="include: [part.yaml, other.yaml]\nseed: 9\nsubjects:\n  phantom: {count: 1, "
        "gestational_age_weeks: 28}\noutput: {path: w.zarr}\n",
    )
    loaded = load_document(tmp_path / "whole.yaml", RenderRecipe, ["replicates=2"])
    assert (loaded.spec.seed, loaded.spec.output.path) == (9, "w.zarr")
    assert loaded.spec.output.spacing_mm == 1.5
    assert loaded.spec.replicates == 2
    assert "include" not in loaded.data
    assert (
        parse_document(loaded.text(), "kept", RenderRecipe, ["output.path=w"]).digest
        == loaded.digest
    )


def test_a_mistake_in_a_part_is_placed_in_the_part(tmp_path) -> None:
    write(
        tmp_path, part="output:\n  path: p.zarr\n  spacing_mm: 90\n", whole="include: part.yaml\n"
    )
    write(tmp_path, typo="inclde: part.yaml\n")
    with pytest.raises(RecipeError, match=r"whole\.yaml:1:1: seed: missing"):
        load_document(tmp_path / "whole.yaml", RenderRecipe)
    (tmp_path / "whole.yaml").write_text("include: part.yaml\n" + TEXT.replace("path: h.zarr", ""))
    with pytest.raises(RecipeError, match=r"part\.yaml:3:15: output\.spacing_mm: value 90"):
        load_document(tmp_path / "whole.yaml", RenderRecipe)
    with pytest.raises(RecipeError, match=r"typo\.yaml:1:1: inclde: .*did you mean include"):
        load_document(tmp_path / "typo.yaml", RenderRecipe)


@pytest.mark.parametrize(
    ("include", "says"),
    [
        ("absent.yaml", "no such file"),
        ("../outside.yaml", "in the recipe's folder or below"),
        ("/etc/passwd", "a .yaml file"),
        ("/tmp/x.yaml", "in the recipe's folder or below"),
        ("nested.yaml", "may not include other files"),
        ("list.yaml", "allowed: a mapping"),
        ("[part.yaml, 3]", "a .yaml file"),
        ("{a: b}", "a .yaml file"),
    ],
)
def test_what_may_not_be_included(tmp_path, include: str, says: str) -> None:
    write(
        tmp_path,
        part="seed: 1\n",
        nested="include: list.yaml\n",
        list="[1]\n",
        whole=f"include: {include}\n",
    )
    with pytest.raises(RecipeError, match=re.escape(says)):
        load_document(tmp_path / "whole.yaml", RenderRecipe)
    assert "include is allowed only in the file itself" in refused("include=part.yaml")


def test_a_parameter_is_replaced_whole(tmp_path) -> None:
    age = "gestational_age_weeks"
    write(
        tmp_path,
        part=f"subjects: {{phantom: {{count: 3, {age}: {{uniform: [22, 30]}}}}}}\n",
        whole="include: part.yaml\nseed: 1\nappearance: {model: m}\noutput: {path: h.zarr}\n"
        f"subjects: {{phantom: {{{age}: {{choice: [24, 28]}}}}}}\n",
    )
    phantom = load_document(tmp_path / "whole.yaml", RenderRecipe).data["subjects"]["phantom"]
    assert phantom == {"count": 3, age: {"choice": [24, 28]}}
