"""The arrays that a recipe's stacks are stored in: how many, and how large."""

import math

from factory.config.parameters import extremes
from factory.imaging.types import Shape
from factory.planning.grid import grid_shape
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout


def stack_shapes(recipe: Recipe) -> dict[str, Shape]:
    """(slices, rows, columns) by array: stack_0, …, and stack_0_label, … where labels follow.

    The most that any case can need, from what the recipe may draw, never from what it draws:
    the thinnest slices, the least gap, the finest resolution. {} in a recipe without stacks.
    """
    acquisition = recipe.spec.acquisition
    if acquisition is None or acquisition.stacks is None:
        return {}
    from factory.acquisition.geometry import stack_shape

    stacks = acquisition.stacks.model_dump(exclude_none=True)
    least = [min(extremes(stacks[key])) for key in ("thickness_mm", "gap_mm", "in_plane_mm")]
    volume, spacing = grid_shape(recipe), recipe.spec.output.spacing_mm
    shapes = {}
    for k, orientation in enumerate(stacks["orientations"]):
        shapes[f"stack_{k}"] = stack_shape(volume, spacing, orientation, *least)
        if acquisition.labels == "stack":
            shapes[f"stack_{k}_label"] = shapes[f"stack_{k}"]
    return shapes


def scanned_images(recipe: Recipe, layout: Layout) -> tuple[str, ...]:
    """The images that the scanner makes: the stacks, the volume without any, none without it."""
    if recipe.spec.acquisition is None:
        return ()
    return layout.stacks or ("image",)


def megavoxels(layout: Layout, names: tuple[str, ...]) -> float:
    """Millions of voxels of some arrays of one sample."""
    return sum(math.prod(layout.shape_of(name)) for name in names) / 1e6
