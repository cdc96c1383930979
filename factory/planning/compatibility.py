"""Whether a recipe and a model suit one another, and the dataset's grid the subjects."""

from collections.abc import Mapping
from typing import Any

from factory.errors import PlanError
from factory.schema.label_table import labels_of
from factory.schema.render_recipe import Recipe
from factory.storage.subjects.label_mappings import resolve
from factory.storage.subjects.types import FETA
from factory.subjects.catalogue import age_range, needed_shape, own_table, subject_records


def warnings(recipe: Recipe, card: Mapping[str, Any]) -> tuple[str, ...]:
    """Where what is asked lies outside what the model's training saw, one line each."""
    seen = card.get("training", {})
    found = []
    ages = [r.get("gestational_age_weeks") for r in subject_records(recipe)]
    asked = [*(age_range(recipe) or ()), *(age for age in ages if age is not None)]
    spacing = recipe.spec.output.spacing_mm
    for key, values in (("gestational_age_weeks", asked), ("spacing_mm", [spacing])):
        if key not in seen or not values:
            continue
        low, high = seen[key]
        if min(values) < low or max(values) > high:
            span = " to ".join(f"{v:g}" for v in sorted({min(values), max(values)}))
            found.append(f"{key}: {span} asked for; the model's training saw {low:g} to {high:g}")
    return tuple(found)


def check_labels(recipe: Recipe, card: Mapping[str, Any]) -> None:
    """Raises PlanError where the model cannot make the images, or knows not every label."""
    known = card.get("label_table", {}).get("names", FETA.names)
    tissues = _tissues(recipe)
    if recipe.spec.latents and not recipe.spec.appearance and not card["config"]["image_channels"]:
        raise PlanError(
            f"latents.model: {recipe.spec.model} makes label maps alone; allowed: with an "
            "appearance, which paints them"
        )
    if recipe.spec.appearance and card.get("family") == "stylegan2":
        raise PlanError(
            f"appearance.model: {recipe.spec.model} paints no labels, it draws images of its own; "
            "allowed: as latents.model"
        )
    if unknown := [name for name in tissues if name not in known]:
        raise PlanError(
            f"labels: {', '.join(unknown)}: the model {recipe.spec.model} does not know "
            f"them; it was trained on {', '.join(known)}"
        )


def check_precision(recipe: Recipe, card: Mapping[str, Any]) -> None:
    """Raises PlanError where bfloat16 is asked of a model that does not draw in it."""
    look = recipe.spec.appearance
    if look and look.mixed_precision and card.get("family") != "spade":
        raise PlanError(
            f"appearance.mixed_precision: value true; {look.model} is of the family "
            f"{card.get('family')}, which draws in float32 alone; allowed: false"
        )


def _tissues(recipe: Recipe) -> list[str]:
    """The labels that a painter has to know, in order."""
    names, subjects = own_table(recipe).names, recipe.spec.subjects
    mapped = [source for source in (subjects.bids, subjects.nifti) if source is not None]
    there = set(names) if subjects.phantom or not mapped else set()
    for source in mapped:
        mapping: Any = source.mapping
        there |= set(names if mapping is None else resolve(mapping).values())
    there |= {label["looks_like"] for label in labels_of(recipe.spec)}
    return [name for name in names if name in there]


def check_shape(recipe: Recipe, shape: tuple[int, int, int]) -> None:
    """Raises PlanError where output.shape cannot hold every subject."""
    needed = needed_shape(recipe)
    if any(n > s for n, s in zip(needed, shape, strict=True)):
        raise PlanError(
            f"output.shape: {list(shape)} voxels cannot hold every subject; "
            f"allowed: auto, or at least {list(needed)} at {recipe.spec.output.spacing_mm:g} mm"
        )
