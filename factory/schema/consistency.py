"""Whether the sections of a recipe go together. Each check raises the error of a validator."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from factory.config.conditions import check_condition as check_condition
from factory.config.document import KeyPath, dotted_key
from factory.config.section import problem
from factory.config.sweep_keywords import parameter_keyword
from factory.schema.group import Edits
from factory.schema.label_table import added_labels, extended_table
from factory.schema.sections import RecipeSections
from factory.subjects.registry import SOURCES
from factory.subjects.section import NAMES
from factory.text import join_names

MOST_LABELS = 32
"""Of labels that edits bring."""


def check_subjects_or_latents(recipe: RecipeSections) -> None:
    """A recipe has subjects or latents, and nothing that does not go with latents."""
    subjects = any(not source.key for source, _ in recipe.sources)
    required: dict[str, Any] = {"subjects": subjects, "appearance": recipe.appearance}
    if recipe.latents is None:
        for key, there in required.items():
            if not there:
                raise problem("missing; this key is required", at=(key,))
        return
    beside: dict[str, Any] = {
        "subjects": subjects,
        "groups": recipe.groups,
        "acquisition": recipe.acquisition,
        "anatomy": recipe.anatomy and not recipe.appearance,
    }
    for key, there in beside.items():
        if there:
            why = "without an appearance" if key == "anatomy" else "beside latents"
            raise problem(f"value given {why}; allowed: none", at=(key,))
    for key in ("original", "uncertainty"):
        if getattr(recipe.output, key):
            text = "value true; not of what is drawn from latents; allowed: false"
            raise problem(text, at=("output", key))
    if recipe.output.shape != "auto":
        text = "value {value}; the model's resolution is the shape; allowed: auto"
        raise problem(text, recipe.output.shape, at=("output", "shape"))


def check_shares(recipe: RecipeSections) -> None:
    """The shares of groups add to all of the subjects."""
    if recipe.groups is None:
        return
    if not recipe.groups:
        raise problem("value {value}; allowed: at least one group", {}, at=("groups",))
    total = sum(float(group.share) for group in recipe.groups.values())
    if not 99 <= total <= 101:  # thirds may be written as 33 %
        raise problem(f"the shares add to {total:g} %; allowed: 100 %", at=("groups",))


def check_conditions_and_zips(recipe: RecipeSections) -> None:
    """Conditions speak of what is known before them, and zips go in step."""
    plain = recipe.model_dump(exclude_none=True)
    for group in recipe.groups or ("",):
        check_zips(plain, group)
        known = {"gestational_age_weeks", "replicate"}
        _check_conditions(recipe.anatomy, ("anatomy",), known)
        if recipe.groups:
            own = recipe.groups[group].anatomy
            _check_conditions(own, ("groups", group, "anatomy"), known)


def _check_conditions(edits: Edits, at: tuple[str, ...], known: set[str]) -> None:
    """Each condition speaks of what is known before its edit; adds what the edits make known."""
    for index, edit in enumerate(edits):
        if edit.when is not None:
            check_condition(edit.when, known, (*at, index, "when"))
        known |= edit.number_names()


def check_labels(recipe: RecipeSections) -> None:
    """No two lesions of one subject have one name, no name looks like two tissues, and no edit
    needs a label that there is not."""
    labels = added_labels(recipe)
    if len(labels) > MOST_LABELS:
        raise problem(f"{len(labels)} names of lesions; allowed: at most {MOST_LABELS}")
    names = extended_table(labels).names
    looks = {label.name: label.looks_like for label in labels}
    common: set[str] = set()
    for at, edits in recipe.edits.items():
        taken = set(common)
        for index, edit in enumerate(edits):
            here = (*at, index, edit.operator_name)
            for needed in edit.operator.needs:
                if needed not in names:
                    text = f"no {needed} among the labels: {join_names(names)}"
                    raise problem(f"{text}; allowed: with a mapping that names it", at=here)
            added = edit.operator.adds_label()
            if added is None:
                continue
            name, tissue = added
            if name in taken:
                text = "value {value}; an earlier lesion has it; allowed: another name"
                raise problem(text, name, at=(*here, "name"))
            if tissue != looks[name]:
                text = "value {value}; an earlier {name} looks like {other}; allowed: that"
                at_looks = (*here, "looks_like")
                raise problem(text, tissue, at=at_looks, name=name, other=looks[name])
            taken.add(name)
        if at == ("anatomy",):
            common = taken


def check_originals(recipe: RecipeSections) -> None:
    """Where the subjects' own images are asked for, there are some."""
    if not recipe.output.original:
        return
    for source, section in recipe.sources:
        if what := source.lacks_images(section):
            text = "value true; {what} has no image to carry along; allowed: false"
            where = f"{'' if source.key else 'subjects.'}{what}"
            raise problem(text, at=("output", "original"), what=where)


def check_sources(recipe: RecipeSections) -> None:
    """Nothing is asked for that a source's subjects cannot have."""
    for source, _ in recipe.sources:
        source.check(recipe)


def check_interpolation(recipe: RecipeSections) -> None:
    """There are subjects between these."""
    allowed = [name for name in NAMES if SOURCES[name].can_interpolate]
    if recipe.interpolate and not any(getattr(recipe.subjects, name) for name in allowed):
        names = join_names(f"subjects.{name}" for name in allowed)
        raise problem(f"allowed: with {names}", at=("interpolate",))


def check_zips(recipe: dict[str, Any], group: str) -> None:
    """Zips are of one length, and no row comes twice.

    recipe: a plain render recipe, of which the cases of one group are looked at.
    """
    places: list[KeyPath] = [("subjects", name) for name in NAMES]
    places += [("anatomy",), ("acquisition",)]
    places += [("groups", group, "anatomy")] if group else []
    found = {path: values for place in places for path, values in _zips(_at(recipe, place), place)}
    lengths = {path: len(values) for path, values in found.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{dotted_key(path)} has {n}" for path, n in lengths.items())
        first, *others = lengths.values()
        odd = list(lengths)[1 + next(i for i, n in enumerate(others) if n != first)]
        raise problem(f"zips go in step: {words}; allowed: lists of one length", at=odd)
    seen: dict[tuple[Any, ...], int] = {}
    for index, row in enumerate(zip(*found.values(), strict=True), 1):
        if row in seen:
            at = (*next(iter(found)), "zip", index - 1)
            text = f"zip: rows {seen[row]} and {index} are the same: {json.dumps(row)}"
            raise problem(text, at=at)
        seen[row] = index


def _at(recipe: dict[str, Any], place: KeyPath) -> Any:
    node: Any = recipe
    for key in place:
        node = node.get(key, {})
    return node


def _zips(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, tuple[Any, ...]]]:
    """Every zip below a plain value, by where it stands."""
    if parameter_keyword(node) == "zip":
        yield path, tuple(node["zip"])
    elif isinstance(node, dict | tuple | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from _zips(value, (*path, key))


CHECKS: tuple[Callable[[RecipeSections], None], ...] = (
    check_subjects_or_latents,
    check_shares,
    check_conditions_and_zips,
    check_labels,
    check_originals,
    check_sources,
    check_interpolation,
)
"""In the order in which a recipe's mistakes are told."""
