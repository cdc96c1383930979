"""Check that a recipe fits its models, and that the grid holds all subjects."""

from collections.abc import Sequence

from factory.errors import PlanError
from factory.families.base import Card, card_channels
from factory.families.contrast.section import Fitted
from factory.families.registry import family_of
from factory.imaging.types import Shape
from factory.planning.channels import image_channels
from factory.planning.grid import holds_slices, needed_shape
from factory.planning.groups import count_used_subjects
from factory.schema.appearance import Appearance
from factory.schema.label_table import added_labels, base_table, case_table
from factory.schema.render_recipe import Recipe
from factory.storage.dataset.layout import Layout
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.channels import describe_channels
from factory.storage.subjects.types import FETA
from factory.text import join_first_names, join_names


def training_range_warnings(recipe: Recipe, card: Card) -> tuple[str, ...]:
    """Return one line for each property of the recipe that is outside the model's training data.

    Args:
        recipe: The recipe.
        card: The card of the model.
    """
    training = card.get("training", {})
    lines = []
    ages, spacing = recipe.spec.catalogue.ages, recipe.spec.output.spacing_mm
    for key, values in (("gestational_age_weeks", ages), ("spacing_mm", [spacing])):
        if key not in training or not values:
            continue
        low, high = training[key]
        if min(values) < low or max(values) > high:
            span = " to ".join(f"{v:g}" for v in sorted({min(values), max(values)}))
            lines.append(f"{key}: {span} asked for; the model's training saw {low:g} to {high:g}")
    return tuple(lines)


def subject_warnings(recipe: Recipe) -> tuple[str, ...]:
    """Return the remarks of the readers on the files of the recipe's subjects, one line each."""
    return tuple(
        line
        for subjects in recipe.spec.catalogue.by_source
        for line in subjects.source.remarks(subjects.section, subjects.records)
    )


def share_warnings(recipe: Recipe) -> tuple[str, ...]:
    """Return one line for each source of which the shares of groups leave subjects unused."""
    used = count_used_subjects(recipe.spec)
    return tuple(
        f"groups: {used[subjects.pool, subjects.source.name]} of {subjects.count} subjects of "
        f"{subjects.place} are used; the shares of the groups allow no more"
        for subjects in recipe.spec.catalogue.by_source
        if used[subjects.pool, subjects.source.name] < subjects.count
    )


def check_model_labels(recipe: Recipe, card: Card) -> None:
    """Check that a model can make the images of a recipe and knows all of its labels.

    Raises:
        PlanError: It cannot.
    """
    model_labels = card.get("label_table", {}).get("names", FETA.names)
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
    if family.untrained_card is not None:
        _check_fitted_labels(recipe)
        return
    if unknown := [name for name in _painted_tissues(recipe) if name not in model_labels]:
        raise PlanError(
            f"{_unknown_groups(recipe, model_labels)}labels: {join_first_names(unknown)}: the "
            f"model {recipe.spec.model} does not know them; it was trained on "
            f"{join_first_names(model_labels)}"
            f"{nearest_name_hint(unknown[0], model_labels)}"
        )


def _unknown_groups(recipe: Recipe, model_labels: Sequence[str]) -> str:
    """Return which groups have labels that a model does not know, before a colon, or ""."""
    names = []
    for name in recipe.spec.groups or ():
        group = Recipe(recipe.spec.with_groups((name,)), recipe.source)
        if any(tissue not in model_labels for tissue in _painted_tissues(group)):
            names.append(name)
    return f"groups {join_names(names)}: " if names else ""


def check_orientations(recipe: Recipe, card: Card, shape: Shape) -> None:
    """Check that the model paints slices where the samples are single slices.

    Args:
        recipe: The recipe.
        card: The card of the model.
        shape: The voxels [z, y, x] of a sample.

    Raises:
        PlanError: It paints in several orientations.
    """
    orientations = list(card.get("orientations", ["axial"]))
    if shape[0] == 1 and recipe.spec.appearance and orientations != ["axial"]:
        raise PlanError(
            f"appearance.model: {recipe.spec.model} paints in {join_names(orientations)}; the "
            "samples are single slices; allowed: a model that is axial alone"
        )


def _check_fitted_labels(recipe: Recipe) -> None:
    """Check that a contrast gives every label a brightness.

    Raises:
        PlanError: A fitted contrast without a preset lacks a label that the subjects have.
    """
    contrast = recipe.spec.contrast
    for channel in contrast.all_channels() if contrast else ():
        if channel.base is not None or not isinstance(channel.fitted, Fitted):
            continue
        names = (*channel.fitted.labels, *(channel.labels or ()))
        needed = [*_painted_tissues(recipe), *(label.name for label in added_labels(recipe.spec))]
        if missing := [name for name in needed if name not in names]:
            raise PlanError(
                f"appearance.contrast: what was fitted has no {join_first_names(missing)}; "
                "allowed: beside a preset, or with labels: {NAME: {mean: …, sd: …}}"
            )


def check_precision(recipe: Recipe, card: Card) -> None:
    """Check that the model supports bfloat16 if the recipe sets it.

    Raises:
        PlanError: The model computes only in float32.
    """
    look = recipe.spec.appearance
    if (
        isinstance(look, Appearance)
        and look.mixed_precision
        and not family_of(card).has_mixed_precision
    ):
        raise PlanError(
            f"appearance.mixed_precision: value true; {look.model} is of the family "
            f"{card.get('family')}, which draws in float32 alone; allowed: false"
        )


def check_shape(recipe: Recipe, shape: tuple[int, int, int]) -> None:
    """Check that a grid of [z, y, x] voxels holds every subject.

    Raises:
        PlanError: A subject is larger, or a single slice in a grid of volumes.
    """
    needed = needed_shape(recipe)
    if shape[0] > 1 and holds_slices(recipe):
        raise PlanError(
            f"output.shape: {list(shape)} voxels, but the subjects are single slices; allowed: "
            f"auto, or [1, {needed[1]}, {needed[2]}] and more"
        )
    if any(n > s for n, s in zip(needed, shape, strict=True)):
        raise PlanError(
            f"output.shape: {list(shape)} voxels cannot hold every subject; "
            f"allowed: auto, or at least {list(needed)} at {recipe.spec.output.spacing_mm:g} mm"
        )


def check_histogram(recipe: Recipe, layout: Layout) -> None:
    """Check that a recipe that matches the brightness of a reference has images of one channel.

    Raises:
        PlanError: They have several, and a reference has one.
    """
    scan, channels = recipe.spec.acquisition, layout.channels.get("image", ())
    if scan is not None and scan.histogram is not None and len(channels) > 1:
        raise PlanError(
            f"acquisition.histogram: one reference for {describe_channels(channels)}; allowed: "
            "with images of one channel"
        )


def check_gate(recipe: Recipe, card: Card, layout: Layout) -> None:
    """Check that the model of a gate is a segmenter that fits the samples of the recipe.

    Args:
        recipe: A recipe with a gate.
        card: The card of the gate's model.
        layout: The arrays of a sample.

    Raises:
        PlanError: It does not fit.
    """
    gate = recipe.spec.gate_section
    if not family_of(card).segments:
        raise PlanError(f"gate.model: {gate.model}: family {card['family']!r}; allowed: segmenter")
    channels = layout.channels.get("image", ())
    if missing := [name for name in card_channels(card) if name not in channels]:
        raise PlanError(
            f"gate.model: {gate.model} judges the channel {missing[0]}; the image has "
            f"{describe_channels(channels)}"
        )
    model_labels = card["label_table"]["names"]
    table = base_table(recipe.spec.table, case_table(recipe.spec))
    names, regions = table.names, dict(table.regions)
    for name in gate.structures:
        if name not in names and name not in regions:
            raise PlanError(
                f"gate: {name}; the labels are {join_names(names[1:])}"
                f"{nearest_name_hint(name, names)}"
            )
    if not set(names) <= set(model_labels):
        raise PlanError(
            f"gate.model: {gate.model} segments {join_names(model_labels[1:])}; the labels are "
            f"{join_names(names[1:])}"
        )
    flat = layout.shape[0] == 1 or any(source.is_stack for source, _ in recipe.spec.sources)
    if flat and list(card["orientations"]) != ["axial"]:
        raise PlanError(
            f"gate.model: {gate.model} segments in {join_names(card['orientations'])}; allowed for "
            "samples of single slices or stacks: a segmenter that is axial alone"
        )


def gate_warnings(recipe: Recipe, card: Card, generator: Card) -> tuple[str, ...]:
    """Return what limits the judgement of a gate, one line each.

    Args:
        recipe: A recipe with a gate.
        card: The card of the gate's model.
        generator: The card of the model that makes the images.
    """
    gate, name = recipe.spec.gate_section, generator.get("name", recipe.spec.model)
    lines = []
    if not has_styles(recipe, generator):
        lines.append(
            f"gate: {name} has no style noise, it paints a label map in one way alone; what misses "
            "the gate is not tried again"
        )
    channels = image_channels(recipe, generator)
    if len(channels) > 1 and not card_channels(card):
        lines.append(
            f"gate: {gate.model} takes one channel without a name; it judges {channels[0]}, the "
            f"first of {join_names(channels)}"
        )
    generator_subjects = generator.get("training", {}).get("subjects", ())
    gate_subjects = card.get("training", {}).get("subjects", ())
    if shared := [subject for subject in gate_subjects if subject in generator_subjects]:
        lines.append(
            f"gate: a circle: {gate.model} and {name} both learnt from {len(shared)} of "
            f"{len(gate_subjects)} volumes ({join_names(shared)}); where they err alike, "
            "the gate does not see it"
        )
    outside = training_range_warnings(recipe, card)
    return (*lines, *(f"gate: {gate.model}: {line}" for line in outside))


def has_styles(recipe: Recipe, generator: Card) -> bool:
    """Return whether the model of a card can paint a sample of the recipe in several styles."""
    styled_subjects = any(source.has_own_style() for source, _ in recipe.spec.sources)
    return family_of(generator).has_styles(generator) and not styled_subjects


def _painted_tissues(recipe: Recipe) -> list[str]:
    """Return the labels that a painter has to know, in the order of the table."""
    spec = recipe.spec
    if spec.has_own_table:
        looks = (label.looks_like for label in added_labels(spec))
        return list(dict.fromkeys((*spec.catalogue.label_names, *looks)))
    names = spec.table.names
    tissues = {label.looks_like for label in added_labels(recipe.spec)}
    for source, section in recipe.spec.sources:
        tissues |= source.tissues(section)
    return [name for name in names if name in tissues]
