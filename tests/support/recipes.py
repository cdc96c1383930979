"""A small recipe that tests change, and what is said when it is refused."""

import pytest

from factory.config.loading import parse_document
from factory.errors import RecipeError
from factory.schema.render_recipe import Recipe, RenderRecipe

TEXT = """\
seed: 7
subjects:
  phantom: {count: 10, gestational_age_weeks: {uniform: [22, 34]}}
anatomy:
  - dilate_ventricles: {radius_mm: 2, into: [white_matter]}
appearance: {model: fetal-spade}
output: {path: h.zarr}
"""
RADIUS = "anatomy.0.dilate_ventricles.radius_mm"
AGE = "subjects.phantom.gestational_age_weeks"


def recipe(*overrides: str, text: str = TEXT) -> Recipe:
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


def refused(*overrides: str, text: str = TEXT) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe(*overrides, text=text)
    assert "\n" not in str(caught.value)
    return str(caught.value)
