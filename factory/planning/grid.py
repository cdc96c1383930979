"""The voxel grid and the label table of a recipe's dataset, which hold every sample."""

import math
from collections.abc import Sequence

from factory.anatomy.edits.operator import Operator
from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.errors import PlanError
from factory.imaging.types import Shape
from factory.schema.label_table import added_labels, case_table, dataset_table
from factory.schema.render_recipe import Recipe
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import LabelTable

MARGIN = 4  # voxels of background around every brain, for shape: auto
STEP = 16  # shape: auto gives multiples of this number of voxels

Edits = list[tuple[type[Operator], JsonObject]]
"""Operators with the parameters of the recipe."""


def grid_shape(recipe: Recipe) -> Shape:
    """Return the voxels (z, y, x) of every sample.

    This is the shape in the recipe, or the grid that the subjects come with, or the smallest grid
    that holds every subject. It depends on what the recipe may draw, never on what it draws.
    """
    if recipe.spec.output.shape != "auto":
        z, y, x = recipe.spec.output.shape
        return z, y, x
    if shape := _subject_grid(recipe):
        return shape
    needed = needed_shape(recipe)
    z, y, x = (STEP * math.ceil((n + 2 * MARGIN) / STEP) for n in needed)
    return (1, y, x) if holds_slices(recipe) else (z, y, x)


def holds_slices(recipe: Recipe) -> bool:
    """Return whether the subjects are single slices, [1, y, x].

    Raises:
        PlanError: Some are slices, and others volumes.
        SubjectError: A subject cannot be read.
    """
    if _subject_grid(recipe):
        return False
    slices, volumes = [], []
    for subjects in recipe.spec.catalogue.by_source:
        extents = list(subjects.source.extents_mm(subjects.section, subjects.records, 0.0))
        ids = [record["id"] for record in subjects.records] or ["?"] * len(extents)
        slices += [id for id, extent in zip(ids, extents, strict=False) if extent[0] == 0]
        volumes += [id for id, extent in zip(ids, extents, strict=False) if extent[0] > 0]
    if slices and volumes:
        raise PlanError(
            f"subjects: {slices[0]} is a single slice, {volumes[0]} a volume; allowed: either "
            "slices or volumes in one recipe"
        )
    return bool(slices)


def label_table(recipe: Recipe) -> LabelTable:
    """Return the label table of the dataset."""
    spec = recipe.spec
    return dataset_table(spec.table, added_labels(spec), case_table(spec))


def voxel_text(recipe: Recipe) -> str:
    """Return the voxel size of a dataset in words."""
    texts = [source.voxel_text for source, _ in recipe.spec.sources]
    return next(filter(None, texts), f"{recipe.spec.output.spacing_mm:g} mm")


def needed_shape(recipe: Recipe) -> Shape:
    """Return the voxels (z, y, x) of the largest subject, with the growth that edits may cause.

    Raises:
        SubjectError: A subject cannot be read.
    """
    if shape := _subject_grid(recipe):
        return shape
    spacing = recipe.spec.output.spacing_mm
    sizes_mm = [_largest_mm(recipe, pool, edits) for pool, edits in _edits_by_pool(recipe).items()]
    z, y, x = (math.ceil(max(axis) / spacing) for axis in zip(*sizes_mm, strict=True))
    return z, y, x


def _largest_mm(recipe: Recipe, pool: str, edits_by_group: Sequence[Edits]) -> list[float]:
    """Return the size (z, y, x) that holds a pool's subjects after the edits of its groups."""
    oldest = max(
        (kind.max_age_weeks(v) for edits in edits_by_group for kind, v in edits), default=0.0
    )
    extents = [
        extent
        for subjects in recipe.spec.catalogue.of_pool(pool)
        for extent in subjects.source.extents_mm(subjects.section, subjects.records, oldest)
    ]
    largest = [max(axis) for axis in zip(*extents, strict=True)]
    if holds_slices(recipe):
        largest[0] = recipe.spec.output.spacing_mm
    return [max(_grown_extent_mm(extent, edits) for edits in edits_by_group) for extent in largest]


def _subject_grid(recipe: Recipe) -> Shape | None:
    """Return the grid that the subjects come with, if their sources have one: the largest."""
    spacing = recipe.spec.output.spacing_mm
    shapes = [
        subjects.source.shape(subjects.section, subjects.records, spacing)
        for subjects in recipe.spec.catalogue.by_source
    ]
    sizes = [shape for shape in shapes if shape is not None]
    if not sizes:
        return None
    z, y, x = (max(axis) for axis in zip(*sizes, strict=True))
    return z, y, x


def _grown_extent_mm(extent_mm: float, edits: Edits) -> float:
    """Return the largest extent that edits may produce, whatever their order."""
    growth_mm = 2 * sum(kind.head_growth_mm(values) for kind, values in edits)
    return (extent_mm + growth_mm) * math.prod(
        kind.head_growth_factor(values) for kind, values in edits
    )


def _edits_by_pool(recipe: Recipe) -> dict[str, list[Edits]]:
    """Return the edits that a subject of each group may get, by the pool of the group."""
    spec = recipe.spec.model_dump(exclude_none=True)
    groups = spec.get("groups") or {"": {"anatomy": ()}}
    by_pool: dict[str, list[Edits]] = {}
    for name, group in groups.items():
        edits = [split_edit(edit) for edit in (*spec["anatomy"], *group["anatomy"])]
        operators = [(OPERATORS[operator], values) for operator, values in edits]
        by_pool.setdefault(recipe.spec.pool_of(name), []).append(operators)
    return by_pool
