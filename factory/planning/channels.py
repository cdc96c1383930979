"""The channels of a dataset's images, which follow from the recipe and the model's card."""

from dataclasses import replace

from factory.families.base import Card
from factory.families.registry import family_of
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout


def image_channels(recipe: Recipe, card: Card) -> tuple[str, ...]:
    """Return the names of the channels of a recipe's image; () for one without a name.

    Args:
        recipe: The recipe.
        card: The card of the model, or of the family without weights, that makes the images.
    """
    look = recipe.data.get("appearance", {})
    appearance = look if isinstance(look, dict) else {"family": look}
    return family_of(card).image_channels(card, appearance, recipe.spec.subject_channels)


def with_channels(layout: Layout, image: tuple[str, ...], original: tuple[str, ...]) -> Layout:
    """Return a layout whose images have these channels.

    Args:
        layout: The layout, without channels.
        image: The names of the channels of what is painted: the image, its uncertainty, and the
            stacks that are scanned from it.
        original: The names of the channels of the subjects' own images.
    """
    names = {name: original if name == "original" else image for name in layout.ranges}
    return replace(layout, channels={name: names[name] for name in names if names[name]})
