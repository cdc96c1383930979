"""Whether a recipe and its models suit one another, and the dataset's grid the subjects."""

from collections.abc import Mapping
from typing import Any

from factory.errors import PlanError
from factory.families.registry import family_of
from factory.planning.grid import needed_shape
from factory.schema.label_table import added_labels, painter_label_table
from factory.schema.render_recipe import Recipe
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.types import FETA
from factory.text import join_names


def training_range_warnings(recipe: Recipe, card: Mapping[str, Any]) -> tuple[str, ...]:
    """Where what is asked lies outside what the model's training saw, one line each."""
    seen = card.get("training", {})
    found = []
    asked, spacing = recipe.spec.catalogue.ages, recipe.spec.output.spacing_mm
    for key, values in (("gestational_age_weeks", asked), ("spacing_mm", [spacing])):
        if key not in seen or not values:
            continue
        low, high = seen[key]
        if min(values) < low or max(values) > high:
            span = " to ".join(f"{v:g}" for v in sorted({min(values), max(values)}))
            found.append(f"{key}: {span} asked for; the model's training saw {low:g} to {high:g}")
    return tuple(found)


def subject_warnings(recipe: Recipe) -> tuple[str, ...]:
    """What readers remark on the files of the recipe's subjects, one line each."""
    found = recipe.spec.catalogue.by_source
    return tuple(line for one in found for line in one.source.remarks(one.section, one.records))


def check_labels(recipe: Recipe, card: Mapping[str, Any]) -> None:
    """Raises PlanError where the model cannot make the images, or knows not every label."""
    known = card.get("label_table", {}).get("names", FETA.names)
    family = family_of(card)
    if recipe.spec.latents and not recipe.spec.appearance and not family.makes_images(card):
        raise PlanError(
            f"latents.model: {recipe.spec.model} makes label maps alone; allowed: with an "
            "appearance, which paints them"
        )
    if recipe.spec.appearance and family.draws_subjects:
        raise PlanError(
            f"appearance.model: {recipe.spec.model} paints no labels, it draws images of its own; "
            "allowed: as latents.model"
        )
    if unknown := [name for name in _tissues(recipe) if name not in known]:
        raise PlanError(
            f"labels: {', '.join(unknown)}: the model {recipe.spec.model} does not know "
            f"them; it was trained on {', '.join(known)}"
        )


def check_precision(recipe: Recipe, card: Mapping[str, Any]) -> None:
    """Raises PlanError where bfloat16 is asked of a model that does not draw in it."""
    look = recipe.spec.appearance
    if look and look.mixed_precision and not family_of(card).has_mixed_precision:
        raise PlanError(
            f"appearance.mixed_precision: value true; {look.model} is of the family "
            f"{card.get('family')}, which draws in float32 alone; allowed: false"
        )


def check_shape(recipe: Recipe, shape: tuple[int, int, int]) -> None:
    """Raises PlanError where output.shape cannot hold every subject."""
    needed = needed_shape(recipe)
    if any(n > s for n, s in zip(needed, shape, strict=True)):
        raise PlanError(
            f"output.shape: {list(shape)} voxels cannot hold every subject; "
            f"allowed: auto, or at least {list(needed)} at {recipe.spec.output.spacing_mm:g} mm"
        )


def check_gate(recipe: Recipe, card: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
    """Raises PlanError where a gate's model is no segmenter, or none of the recipe's samples."""
    gate = recipe.spec.gate_section
    if not family_of(card).segments:
        raise PlanError(f"gate.model: {gate.model}: family {card['family']!r}; allowed: segmenter")
    known, names = card["label_table"]["names"], painter_label_table(recipe.spec.table).names
    for name in gate.structures:
        if name not in names:
            raise PlanError(
                f"gate: {name}; the labels are {join_names(names[1:])}"
                f"{nearest_name_hint(name, names)}"
            )
    if tuple(known) != tuple(names):
        raise PlanError(
            f"gate.model: {gate.model} segments {join_names(known[1:])}; the labels are "
            f"{join_names(names[1:])}"
        )
    flat = shape[0] == 1 or any(source.is_stack for source, _ in recipe.spec.sources)
    if flat and list(card["orientations"]) != ["axial"]:
        raise PlanError(
            f"gate.model: {gate.model} segments in {join_names(card['orientations'])}; allowed for "
            "samples of single slices or stacks: a segmenter that is axial alone"
        )


def gate_warnings(
    recipe: Recipe, card: Mapping[str, Any], generator: Mapping[str, Any]
) -> tuple[str, ...]:
    """What there is to know of a gate's judgement, one line each."""
    gate, name = recipe.spec.gate_section, generator.get("name", recipe.spec.model)
    found = []
    if not has_styles(recipe, generator):
        found.append(
            f"gate: {name} has no style noise, it paints a label map in one way alone; what misses "
            "the gate is not tried again"
        )
    theirs = generator.get("training", {}).get("subjects", ())
    own = card.get("training", {}).get("subjects", ())
    if shared := [one for one in own if one in theirs]:
        found.append(
            f"gate: a circle: {gate.model} and {name} both learnt from {len(shared)} of "
            f"{len(own)} volumes ({join_names(shared)}); where they err alike, the gate does not "
            "see it"
        )
    outside = training_range_warnings(recipe, card)
    return (*found, *(f"gate: {gate.model}: {one}" for one in outside))


def has_styles(recipe: Recipe, generator: Mapping[str, Any]) -> bool:
    """Whether a sample of the recipe can be painted in several styles by the model of a card."""
    given = any(source.has_own_style() for source, _ in recipe.spec.sources)
    return family_of(generator).has_styles(generator) and not given


def _tissues(recipe: Recipe) -> list[str]:
    """The labels that a painter has to know, in order."""
    names = recipe.spec.table.names
    there = {label.looks_like for label in added_labels(recipe.spec)}
    for source, section in recipe.spec.sources:
        there |= source.tissues(section)
    return [name for name in names if name in there]
