"""Small recipes that tests change, and the message when one is refused."""

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
"""Ten heads whose ventricles are dilated by 2 mm."""

GRADED = """\
seed: 7
subjects:
  phantom: {count: 3, gestational_age_weeks: {uniform: [21, 34]}}
anatomy:
  - dilate_ventricles:
      grade: {each: [0, 1, 2]}
      grades_mm: {0: 0, 1: 1.5, 2: 3, 3: 4.5, 4: 6}
      into: [white_matter]
appearance: {model: fetal-spade}
output: {path: h.zarr}
"""
"""Three heads, each with ventricles of three grades."""

RADIUS = "anatomy.0.dilate_ventricles.radius_mm"
AGE = "subjects.phantom.gestational_age_weeks"


def recipe(*overrides: str, text: str = TEXT) -> Recipe:
    """Read a recipe with some overrides."""
    return parse_document(text, "h.yaml", RenderRecipe, overrides)


def refused(*overrides: str, text: str = TEXT) -> str:
    """Return the message, of one line, with which a recipe is refused."""
    with pytest.raises(RecipeError) as caught:
        recipe(*overrides, text=text)
    assert "\n" not in str(caught.value)
    return str(caught.value)
