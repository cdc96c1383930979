"""Which subjects a recipe names, how many, and the grid that holds them all."""

import functools
import json
import math
from typing import Any

import numpy as np

from factory.anatomy.edits.operator import Operator
from factory.anatomy.edits.registry import of, operator_class
from factory.config.parameters import extremes
from factory.errors import RecipeError
from factory.schema.label_table import dataset_table, labels_of
from factory.schema.render_recipe import Recipe
from factory.storage.subjects.bids import bids_subjects
from factory.storage.subjects.growth_curves import intracranial_mm
from factory.storage.subjects.head_frame import SIDE as FRAME
from factory.storage.subjects.head_ultrasound import HEAD, head_ultrasounds
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import nifti_subjects
from factory.storage.subjects.phantom import phantom_extent_mm
from factory.storage.subjects.short_axis import HEART, SIDE, short_axis_subjects
from factory.storage.subjects.types import FETA, LabelTable

MARGIN = 4  # voxels of background kept around every brain, where shape is auto
STEP = 16  # shape: auto gives multiples of this


def subject_records(recipe: Recipe) -> list[dict[str, Any]]:
    """Records of the subjects that are read from files, by source. Raises SubjectError."""
    subjects = recipe.spec.subjects
    records: list[dict[str, Any]] = []
    if bids := subjects.bids:
        wanted = None if bids.participants is None else list(bids.participants)
        mapping: Any = bids.mapping
        records += bids_subjects(bids.path, bids.rec, mapping, wanted)
    if nifti := subjects.nifti:
        mapping = nifti.mapping
        records += nifti_subjects(nifti.path, nifti.labels, nifti.images, mapping)
    if hearts := subjects.short_axis:
        wanted = None if hearts.participants is None else list(hearts.participants)
        records += short_axis_subjects(hearts.path, wanted)
    if heads := subjects.ultrasound:
        records += head_ultrasounds(heads.path, heads.circumference_mm)
    if part := recipe.spec.interpolate:
        from factory.subjects.interpolated import records as interpolated  # and torch with it

        records = interpolated(part, records, recipe.spec.seed, recipe.spec.output.spacing_mm)
    seen: set[str] = set()
    for record in records:
        if record["id"] in seen:
            raise RecipeError(f"{recipe.source}: subjects: {record['id']} is in bids and in nifti")
        seen.add(record["id"])
    return records


def age_range(recipe: Recipe) -> tuple[float, float] | None:
    """Lowest and highest gestational age (weeks) that may be asked of a phantom, if there are."""
    phantom = recipe.spec.subjects.phantom
    if phantom is None:
        return None
    values = extremes(phantom.model_dump()["gestational_age_weeks"])
    return min(values), max(values)


def grid_shape(recipe: Recipe) -> tuple[int, int, int]:
    """Voxels (z, y, x) of every sample: as given, or the least that hold every subject; of hearts
    and of heads in ultrasound the squares they are brought to, of what is drawn those drawn.

    Depends on what the recipe may draw, never on what it draws.
    """
    output, subjects = recipe.spec.output, recipe.spec.subjects
    if output.shape != "auto":
        z, y, x = output.shape
    elif recipe.spec.latents or subjects.short_axis or subjects.ultrasound:
        z, y, x = needed_shape(recipe)
    else:
        z, y, x = (STEP * math.ceil((n + 2 * MARGIN) / STEP) for n in needed_shape(recipe))
    return z, y, x


def own_table(recipe: Recipe) -> LabelTable:
    """The labels that the subjects come with: FETA's tissues, unless they are no brains."""
    if latents := recipe.spec.latents:
        from factory.subjects.latents import drawing_card, table_of  # and torch with it

        return table_of(drawing_card(latents.model))
    if recipe.spec.subjects.short_axis:
        return HEART
    return HEAD if recipe.spec.subjects.ultrasound else FETA


def label_table(recipe: Recipe) -> LabelTable:
    """The labels of the dataset."""
    return dataset_table(own_table(recipe), labels_of(recipe.spec))


def needed_shape(recipe: Recipe) -> tuple[int, int, int]:
    """Voxels (z, y, x) of the largest subject, grown as far as edits may make it grow.

    Raises SubjectError where one cannot be read.
    """
    if latents := recipe.spec.latents:
        from factory.subjects.latents import drawing_card  # and torch with it

        side = int(drawing_card(latents.model)["config"]["resolution"])
        return 1, side, side
    if recipe.spec.subjects.short_axis:
        part = recipe.spec.interpolate
        return part.slices if part else _most_slices(recipe), SIDE, SIDE
    if recipe.spec.subjects.ultrasound:
        return 1, FRAME, FRAME
    every = _edits(recipe)
    oldest = max((kind.reaches_weeks(v) for edits in every for kind, v in edits), default=0.0)
    extents = [
        _label_extent_mm(json.dumps(record), oldest or None) for record in subject_records(recipe)
    ]
    if ages := age_range(recipe):
        extents += [phantom_extent_mm(max(age, oldest)) for age in ages]
    spacing = recipe.spec.output.spacing_mm
    largest = [max(axis) for axis in zip(*extents, strict=True)]
    z, y, x = (math.ceil(max(_grown(mm, edits) for edits in every) / spacing) for mm in largest)
    return z, y, x


def _grown(extent_mm: float, edits: list[tuple[type[Operator], dict[str, Any]]]) -> float:
    """What an extent may come to, in whatever order the edits are."""
    further = 2 * sum(kind.grows_mm(values) for kind, values in edits)
    return (extent_mm + further) * math.prod(kind.grows_by(values) for kind, values in edits)


def _edits(recipe: Recipe) -> list[list[tuple[type[Operator], dict[str, Any]]]]:
    """The edits that a subject of each group may undergo."""
    spec = recipe.spec.model_dump(exclude_none=True)
    own = [group["anatomy"] for group in spec.get("groups", {}).values()] or [()]
    named = [[of(edit) for edit in (*spec["anatomy"], *edits)] for edits in own]
    return [[(operator_class(name), values) for name, values in edits] for edits in named]


@functools.lru_cache(maxsize=4096)
def _label_extent_mm(record_json: str, to_weeks: float | None) -> tuple[float, float, float]:
    """Size (z, y, x) in mm of the box of a file's labels, the head grown to an age if one is given.

    The image is read too: a subject that cannot be used is refused before anything is rendered.
    """
    subject = load_subject(json.loads(record_json), None)
    sizes = [
        float(np.ptp(np.flatnonzero(subject.label.any(axis=others))) + 1) * spacing
        for others, spacing in zip(((1, 2), (0, 2), (0, 1)), subject.grid.spacing, strict=True)
    ]
    age = subject.metadata.get("gestational_age_weeks")
    if to_weeks and age and to_weeks > age:
        # Diameters inside the skull: of the two curves the faster.
        now, then = intracranial_mm(age), intracranial_mm(to_weeks)
        factor = max(b / a for a, b in zip(now, then, strict=True))
        sizes = [size * factor for size in sizes]
    return sizes[0], sizes[1], sizes[2]


def _most_slices(recipe: Recipe) -> int:
    spacing = recipe.spec.output.spacing_mm
    return max(len(load_subject(r, spacing).label) for r in subject_records(recipe))


def subject_counts(recipe: Recipe) -> list[tuple[str, int]]:
    """Sources in order, with the number of their subjects."""
    if latents := recipe.spec.latents:
        from factory.subjects.latents import count  # and torch with it

        return [("latents", count(latents))]
    counts = {"phantom": recipe.spec.subjects.phantom.count} if recipe.spec.subjects.phantom else {}
    for record in subject_records(recipe):
        counts[record["source"]] = counts.get(record["source"], 0) + 1
    return list(counts.items())
