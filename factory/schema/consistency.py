"""Check that the sections of a recipe fit together. Each check raises the error of a validator."""

import json
from collections.abc import Callable, Iterator, Sequence

from factory.anatomy.edits.operator import Operator
from factory.anatomy.measure_names import WHOLE_MEASURES, missing_labels
from factory.config.conditions import check_condition as check_condition
from factory.config.document import KeyPath, dotted_key
from factory.config.section import problem, unknown_key
from factory.config.sweep_keywords import parameter_keyword
from factory.families.contrast.section import Contrast, ContrastAppearance
from factory.schema.gate import TISSUES, GateBase
from factory.schema.group import Edits
from factory.schema.group_checks import (
    check_group_labels,
    check_group_scans,
    check_kinds,
    check_shares,
)
from factory.schema.label_table import added_labels, dataset_table, possible_names
from factory.schema.measures import chosen_measures
from factory.schema.sections import RecipeSections
from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.channels import describe_channels
from factory.subjects.registry import SOURCES
from factory.subjects.section import NAMES
from factory.text import join_first_names, join_names

MOST_LABELS = 32
"""The maximum number of labels that a recipe adds."""


def check_subjects_or_latents(recipe: RecipeSections) -> None:
    """Check that a recipe has either subjects or latents, and only keys that go with them."""
    subjects = any(not pooled.pool and not pooled.source.key for pooled in recipe.pooled_sources)
    groups = list((recipe.groups or {}).values())
    all_own = bool(groups) and all(group.subjects for group in groups)
    looks = recipe.appearance is not None or (groups and all(g.appearance for g in groups))
    required = {"subjects": subjects or all_own, "appearance": bool(looks)}
    if recipe.latents is None:
        for key, is_present in required.items():
            if not is_present:
                raise problem("missing; this key is required", at=(key,))
        if subjects and all_own:
            text = "every group has subjects of its own; allowed: none, or a group without any"
            raise problem(text, at=("subjects",))
        return
    excluded = {
        "subjects": subjects,
        "groups": bool(recipe.groups),
        "acquisition": recipe.acquisition is not None,
        "anatomy": bool(recipe.anatomy) and not recipe.appearance,
    }
    for key, is_present in excluded.items():
        if is_present:
            why = "without an appearance" if key == "anatomy" else "beside latents"
            raise problem(f"value given {why}; allowed: none", at=(key,))
    if recipe.appearance == "original":
        text = "value {value}; what is drawn from latents has no image of its own; allowed: a model"
        raise problem(text, recipe.appearance, at=("appearance",))
    for key in ("original", "uncertainty"):
        if getattr(recipe.output, key):
            text = "value true; not of what is drawn from latents; allowed: false"
            raise problem(text, at=("output", key))
    if recipe.output.shape != "auto":
        text = "value {value}; the model's resolution is the shape; allowed: auto"
        raise problem(text, recipe.output.shape, at=("output", "shape"))


def check_conditions_and_zips(recipe: RecipeSections) -> None:
    """Check that conditions use only names of earlier edits, and that zips fit together."""
    plain = recipe.model_dump(exclude_none=True)
    for group in recipe.groups or ("",):
        check_zips(plain, group)
        names = {"gestational_age_weeks", "replicate"}
        pool = recipe.pool_of(group)
        sources = [
            (each.source, each.section) for each in recipe.pooled_sources if each.pool == pool
        ]
        names |= {name for source, section in sources for name in source.covariates(section)}
        _check_conditions(recipe.anatomy, ("anatomy",), names)
        if recipe.groups:
            group_edits = recipe.groups[group].anatomy
            _check_conditions(group_edits, ("groups", group, "anatomy"), names)


def _check_conditions(edits: Edits, at: tuple[str, ...], names: set[str]) -> None:
    """Check each condition against the names before its edit, and add the names of the edits."""
    for index, edit in enumerate(edits):
        if edit.when is not None:
            check_condition(edit.when, names, (*at, index, "when"))
        names |= edit.number_names()


def check_labels(recipe: RecipeSections) -> None:
    """Check the labels that edits need and add.

    The lesions of one subject need different names, a name may look like only one tissue, and every
    label that an edit needs must exist.
    """
    labels = added_labels(recipe)
    if len(labels) > MOST_LABELS:
        raise problem(f"{len(labels)} names of lesions; allowed: at most {MOST_LABELS}")
    if not recipe.regions and not any(recipe.edits.values()):
        return  # the table may be that of a model, which is read only where it is needed
    names = possible_names(recipe, labels)
    _check_regions(recipe, names)
    subject_names = names[: len(names) - len(labels)]
    looks: dict[str, str] = {}
    common: set[str] = set()
    for at, edits in recipe.edits.items():
        used_names = set(common)
        for index, edit in enumerate(edits):
            edit_path = (*at, index, edit.operator_name)
            if missing := edit.operator.missing_labels(names):
                text = f"no {join_names(missing)} among the labels: {join_first_names(names)}"
                it = "them" if len(missing) > 1 else "it"
                raise problem(f"{text}; allowed: with a mapping that names {it}", at=edit_path)
            _check_label_names(edit.operator, edit_path, (*names, *(recipe.regions or ())))
            added = edit.operator.added_label()
            if added is None:
                continue
            name, tissue = added
            if name in used_names:
                text = "value {value}; an earlier lesion has it; allowed: another name"
                raise problem(text, name, at=(*edit_path, "name"))
            if name in subject_names:
                text = "value {value}; a label of the subjects has it; allowed: another name"
                raise problem(text, name, at=(*edit_path, "name"))
            if tissue != looks.setdefault(name, tissue):
                text = "value {value}; an earlier {name} looks like {other}; allowed: that"
                at_looks = (*edit_path, "looks_like")
                raise problem(text, tissue, at=at_looks, name=name, other=looks[name])
            used_names.add(name)
        if at == ("anatomy",):
            common = used_names


def _check_label_names(operator: Operator, at: KeyPath, names: Sequence[str]) -> None:
    """Check that the dataset has the labels and regions that an edit names."""
    for parameter, labels in operator.label_names().items():
        for label in labels:
            if label not in names:
                text = "value {value}; allowed: one of {names}{hint}"
                hint = nearest_name_hint(label, names)
                allowed = join_names(names)
                raise problem(text, label, at=(*at, parameter), names=allowed, hint=hint)


def _check_regions(recipe: RecipeSections, names: Sequence[str]) -> None:
    """Check that every region is a union of labels, under a name that no label has."""
    for region, labels in (recipe.regions or {}).items():
        if region in names:
            text = "value {value}; a label has this name; allowed: another name"
            raise problem(text, region, at=("regions", region))
        if region == "lateral_ventricles" and "ventricles" in names:  # volume_ml_lateral_ventricles
            text = "value {value}; a measure of fetal heads has this name; allowed: another name"
            raise problem(text, region, at=("regions", region))
        if not labels:
            raise problem("value []; allowed: names of labels", at=("regions", region))
        for index, label in enumerate(labels):
            if label not in names[1:]:
                text = "value {value}; allowed: one of the labels {names}{hint}"
                hint = nearest_name_hint(label, names)
                at = ("regions", region, index)
                raise problem(text, label, at=at, names=join_names(names[1:]), hint=hint)


def check_measures(recipe: RecipeSections) -> None:
    """Check that the dataset has what is measured, and the labels that a measure needs."""
    if recipe.latents is not None:  # the card of their model has the names
        return
    labels = added_labels(recipe)
    names = possible_names(recipe, labels)
    if not recipe.has_own_table:  # hearts have another table than brains
        names = dataset_table(recipe.table, labels).names
    possible = (*names[1:], *(recipe.regions or ()))
    is_mapping = isinstance(recipe.measures, dict)
    for position, (measure, structures) in enumerate(
        chosen_measures(recipe.measures or {}).items()
    ):
        at: KeyPath = ("measures", measure if is_mapping else position)
        if missing := missing_labels(measure, names):
            text = "value {value}; it needs the labels {needed}, and there is no {missing}"
            needed = ", or ".join(map(join_names, WHOLE_MEASURES[measure]))
            raise problem(text, measure, at=at, needed=needed, missing=missing[0])
        for index, name in enumerate(structures or ()):
            if name not in possible:
                text = "value {value}; allowed: all, or labels and regions among {names}{hint}"
                hint = nearest_name_hint(name, possible)
                words = join_names(possible)
                raise problem(text, name, at=(*at, index), names=words, hint=hint)


def check_gate_names(recipe: RecipeSections) -> None:
    """Check that a gate has limits of labels and regions alone."""
    if recipe.gate is None or recipe.latents is not None:  # a latent model's card has the names
        return
    names = (*possible_names(recipe, ())[1:], *(recipe.regions or ()))
    for name in recipe.gate_section.structures:
        if name not in names and name not in TISSUES:
            keys = dict.fromkeys((*GateBase.model_fields, *names))
            raise unknown_key(name, tuple(keys), at=("gate",))


def check_meanings(recipe: RecipeSections) -> None:
    """Check that the name of a label means the same in every source."""
    first: dict[str, tuple[str, str]] = {}
    for pooled in recipe.pooled_sources:
        for name, meaning in pooled.source.meanings(pooled.section).items():
            other, first_meaning = first.setdefault(name, (pooled.place, meaning))
            if meaning != first_meaning:
                text = (
                    f"{name} is {meaning} here, but {first_meaning} in {other}; allowed: a mapping "
                    "that gives one of them another name"
                )
                raise problem(text, at=pooled.path)


def check_original_images(recipe: RecipeSections) -> None:
    """Check that the subjects have images if the recipe stores, paints or measures them."""
    originals = [path for path, look in recipe.appearances.items() if look == "original"]
    for path in originals:
        if where := _lacking_images(recipe.painted_by(path)):
            text = (
                "value original; {what} has no image to carry along; allowed: a model or a contrast"
            )
            raise problem(text, at=path, what=where)
    measures = recipe.output.range == "auto"
    if not originals and not measures and not recipe.output.original:
        return
    needs_all = recipe.output.original or not recipe.has_group_subjects
    if (measures or recipe.output.original) and (where := _lacking_images(recipe, needs_all)):
        if measures:
            text = "value auto; {what} has no image to measure; allowed: [low, high]"
            raise problem(text, at=("output", "range"), what=where)
        text = "value true; {what} has no image to carry along; allowed: false"
        raise problem(text, at=("output", "original"), what=where)
    _check_same_channels(recipe)
    if originals and recipe.output.uncertainty:
        text = "value true; an original image has no directions that disagree; allowed: false"
        raise problem(text, at=("output", "uncertainty"))


def _lacking_images(recipe: RecipeSections, needs_all: bool = True) -> str:
    """Return the first source of a recipe that has no images, in words, or "".

    Args:
        recipe: The recipe.
        needs_all: Whether every source has to have images; else one of them suffices.
    """
    sources = recipe.pooled_sources
    lacking = [(pooled, pooled.source.lacks_images(pooled.section)) for pooled in sources]
    lacking = [(pooled, what) for pooled, what in lacking if what]
    if not lacking or (not needs_all and len(lacking) < len(sources)):
        return ""
    pooled, what = lacking[0]
    return ".".join((*pooled.path[:-1], str(what)))


def _check_same_channels(recipe: RecipeSections) -> None:
    """Check that the images of all sources have the same channels."""
    pooled_sources = recipe.pooled_sources
    if recipe.has_group_subjects:  # a group without images has no channels either
        pooled_sources = [p for p in pooled_sources if not p.source.lacks_images(p.section)]
    channels = recipe.subject_channels
    first = next((pooled.place for pooled in pooled_sources), "")
    for pooled in pooled_sources:
        if (others := pooled.source.channels(pooled.section)) != channels:
            text = (
                f"{describe_channels(others)} here, but {describe_channels(channels)} in {first}; "
                "allowed: the same channels, in the same order, in every source"
            )
            raise problem(text, at=(*pooled.path, "images"))


def check_contrast(recipe: RecipeSections) -> None:
    """Check that a contrast names labels of the dataset, and what Hounsfield units exclude."""
    for path, look in recipe.appearances.items():
        if isinstance(look, ContrastAppearance):
            _check_contrast(recipe, look.section, (*path, "contrast"))


def _check_contrast(recipe: RecipeSections, contrast: Contrast, at: KeyPath) -> None:
    """Check one of a recipe's contrasts; at: where it stands."""
    names = possible_names(recipe, added_labels(recipe))
    for key, label in contrast.named_labels():
        unions = (*(recipe.regions or ()), *(contrast.classes or ()))
        usable = names if key[0] == "layers" else (*names, *unions)
        if label not in usable:
            text = "value {value}; allowed: one of {names}{hint}"
            hint = nearest_name_hint(label, usable)
            raise problem(text, label, at=(*at, *key), names=join_names(usable), hint=hint)
    groups = list((recipe.groups or {}).values())
    scans = recipe.acquisition or any(group.acquisition for group in groups)
    if contrast.is_hounsfield and groups and len(recipe.appearances) > 1:
        raise problem(
            "Hounsfield units in one of the groups; allowed: in all of the dataset", at=at
        )
    if contrast.is_hounsfield and scans:
        text = (
            "given beside Hounsfield units; allowed: none, since it is that of a magnetic scanner"
        )
        raise problem(text, at=("acquisition",))
    layers = (contrast.layers or {}).items()
    needs_image: list[tuple[tuple[str, ...], str]] = [
        (("layers", name, "by"), "depth") for name, of in layers if of.by == "image"
    ]
    if contrast.texture == "image":
        needs_image.append((("texture",), "noise"))
    for source, section in recipe.painted_by(at[:-1]).sources if needs_image else ():
        if what := source.lacks_images(section):
            (key, other), text = (
                needs_image[0],
                "value image; {what} has no image; allowed: {other}",
            )
            raise problem(text, at=(*at, *key), what=what, other=other)
    if recipe.output.uncertainty:
        text = "value true; a contrast has no directions that disagree; allowed: false"
        raise problem(text, at=("output", "uncertainty"))


def check_sources(recipe: RecipeSections) -> None:
    """Check that the sources of subjects support what the recipe uses."""
    for source, _ in recipe.sources:
        source.check(recipe)


def check_interpolation(recipe: RecipeSections) -> None:
    """Check that a recipe that interpolates has a source whose subjects can be interpolated."""
    allowed = [name for name in NAMES if SOURCES[name].can_interpolate]
    if recipe.interpolate and not any(getattr(recipe.subjects, name) for name in allowed):
        names = join_names(f"subjects.{name}" for name in allowed)
        raise problem(f"allowed: with {names}", at=("interpolate",))
    if recipe.interpolate and recipe.interpolate.model is None:
        if getattr(recipe.subjects, "short_axis") is not None:  # noqa: B009 - a created model
            raise problem("missing; a stack needs a label VAE", at=("interpolate", "model"))
        if "original" in recipe.appearances.values():
            text = "without a model; subjects on a way have no image; allowed: another appearance"
            raise problem(text, at=("interpolate",))


def check_zips(recipe: JsonObject, group: str) -> None:
    """Check that the zips of one group have one length and no repeated row.

    Args:
        recipe: A plain render recipe.
        group: The name of a group, or "" in a recipe without groups.
    """
    has_subjects = group and _value_at(recipe, ("groups", group)).get("subjects")
    subjects: KeyPath = ("groups", group, "subjects") if has_subjects else ("subjects",)
    places: list[KeyPath] = [(*subjects, name) for name in NAMES]
    places += [("anatomy",), ("acquisition",)]
    places += [("groups", group, "anatomy")] if group else []
    zips = {
        path: values for place in places for path, values in _zips(_value_at(recipe, place), place)
    }
    lengths = {path: len(values) for path, values in zips.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{dotted_key(path)} has {n}" for path, n in lengths.items())
        first, *others = lengths.values()
        odd = list(lengths)[1 + next(i for i, n in enumerate(others) if n != first)]
        raise problem(f"zips go in step: {words}; allowed: lists of one length", at=odd)
    first_rows: dict[tuple[JsonValue, ...], int] = {}
    for index, row in enumerate(zip(*zips.values(), strict=True), 1):
        if row in first_rows:
            at = (*next(iter(zips)), "zip", index - 1)
            text = f"zip: rows {first_rows[row]} and {index} are the same: {json.dumps(row)}"
            raise problem(text, at=at)
        first_rows[row] = index


def _value_at(recipe: JsonObject, place: KeyPath) -> JsonValue:
    node: JsonValue = recipe
    for key in place:
        node = node.get(key, {})
    return node


def _zips(node: JsonValue, path: KeyPath) -> Iterator[tuple[KeyPath, tuple[JsonValue, ...]]]:
    """Yield the path and the values of every zip below a plain value."""
    if parameter_keyword(node) == "zip":
        yield path, tuple(node["zip"])
    elif isinstance(node, dict | tuple | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from _zips(value, (*path, key))


CHECKS: tuple[Callable[[RecipeSections], None], ...] = (
    check_subjects_or_latents,
    check_shares,
    check_kinds,
    check_conditions_and_zips,
    check_labels,
    check_group_labels,
    check_measures,
    check_gate_names,
    check_meanings,
    check_original_images,
    check_contrast,
    check_group_scans,
    check_sources,
    check_interpolation,
)
"""The checks, in the order in which mistakes are reported."""
