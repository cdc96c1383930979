"""Training recipes of every family are told apart, and from those that are rendered."""

import pytest

from factory.errors import RecipeError
from factory.families.registry import load_training
from factory.lookup import find_recipe


def test_a_render_recipe_is_not_trained() -> None:
    with pytest.raises(RecipeError, match=r"yaml:\d+:1: a render recipe; allowed: a train recipe"):
        load_training(find_recipe("hydrocephalus"))


def test_a_family_that_does_not_exist_is_told_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"family: value spad; allowed: .*did you mean spade"):
        load_training(find_recipe("train/fetal-spade"), ["family=spad"])
