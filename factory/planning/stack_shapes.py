"""The number and the shape of the arrays for a recipe's stacks."""

from factory.config.parameters import extremes
from factory.imaging.types import Shape
from factory.planning.grid import grid_shape
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout


def stack_shapes(recipe: Recipe) -> dict[str, Shape]:
    """Return the shape (slices, rows, columns) of each stack array.

    The names are stack_0, ..., and stack_0_label, ... if labels follow the stacks. The shapes are
    the largest that a case may need: they depend on what the recipe may draw, never on what it
    draws.

    Returns:
        The shapes by array name; none in a recipe without stacks.
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
    """Return the images that the scanner makes: the stacks, or the volume, or none."""
    if recipe.spec.acquisition is None:
        return ()
    return layout.stacks or ("image",)


def megavoxels(layout: Layout, names: tuple[str, ...]) -> float:
    """Return the millions of voxels in some arrays of one sample."""
    return sum(layout.voxels_of(name) for name in names) / 1e6
