"""The grid and the labels of a recipe's dataset, which hold every one of its samples."""

import math
from typing import Any

from factory.anatomy.edits.operator import Operator
from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.imaging.types import Shape
from factory.schema.label_table import added_labels, dataset_table
from factory.schema.render_recipe import Recipe
from factory.storage.subjects.types import LabelTable

MARGIN = 4  # voxels of background kept around every brain, where shape is auto
STEP = 16  # shape: auto gives multiples of this

Edits = list[tuple[type[Operator], dict[str, Any]]]


def grid_shape(recipe: Recipe) -> Shape:
    """Voxels (z, y, x) of every sample: as given, or the least that hold every subject; of
    subjects with a grid of their own that grid.

    Depends on what the recipe may draw, never on what it draws.
    """
    if recipe.spec.output.shape != "auto":
        z, y, x = recipe.spec.output.shape
        return z, y, x
    if own := _own_grid(recipe):
        return own
    z, y, x = (STEP * math.ceil((n + 2 * MARGIN) / STEP) for n in needed_shape(recipe))
    return z, y, x


def label_table(recipe: Recipe) -> LabelTable:
    """The labels of the dataset."""
    return dataset_table(recipe.spec.table, added_labels(recipe.spec))


def voxel_text(recipe: Recipe) -> str:
    """How large the voxels of a dataset are, in words."""
    given = [source.voxel_text for source, _ in recipe.spec.sources]
    return next(filter(None, given), f"{recipe.spec.output.spacing_mm:g} mm")


def needed_shape(recipe: Recipe) -> Shape:
    """Voxels (z, y, x) of the largest subject, grown as far as edits may make it grow.

    Raises SubjectError where one cannot be read.
    """
    if own := _own_grid(recipe):
        return own
    every = _edits(recipe)
    oldest = max((kind.max_age_weeks(v) for edits in every for kind, v in edits), default=0.0)
    extents = [
        extent
        for one in recipe.spec.catalogue.by_source
        for extent in one.source.extents_mm(one.section, one.records, oldest)
    ]
    spacing = recipe.spec.output.spacing_mm
    largest = [max(axis) for axis in zip(*extents, strict=True)]
    z, y, x = (math.ceil(max(_grown(mm, edits) for edits in every) / spacing) for mm in largest)
    return z, y, x


def _own_grid(recipe: Recipe) -> Shape | None:
    """The grid that the subjects are brought to, where they are."""
    for one in recipe.spec.catalogue.by_source:
        shape = one.source.shape(one.section, one.records, recipe.spec.output.spacing_mm)
        if shape is not None:
            return shape
    return None


def _grown(extent_mm: float, edits: Edits) -> float:
    """What an extent may come to, in whatever order the edits are."""
    further = 2 * sum(kind.head_growth_mm(values) for kind, values in edits)
    return (extent_mm + further) * math.prod(
        kind.head_growth_factor(values) for kind, values in edits
    )


def _edits(recipe: Recipe) -> list[Edits]:
    """The edits that a subject of each group may undergo."""
    spec = recipe.spec.model_dump(exclude_none=True)
    own = [group["anatomy"] for group in spec.get("groups", {}).values()] or [()]
    named = [[split_edit(edit) for edit in (*spec["anatomy"], *edits)] for edits in own]
    return [[(OPERATORS[name], values) for name, values in edits] for edits in named]
