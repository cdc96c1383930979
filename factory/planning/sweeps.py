"""The parameters of a recipe's cases, their full names, and the product of their sweeps."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from factory.config.document import Path, dotted
from factory.config.parameters import SWEEPS, swept, word_of
from factory.config.section import problem

Template = dict[str, Any]
Variant = dict[str, Any]
Axis = tuple[Variant, ...]
AXES = "zyx"  # of an edit's lists of three numbers


def template(spec: dict[str, Any], source: str, group: str) -> Template:
    """What a case of this source and group holds parameters in. spec: a plain render recipe."""
    phantom = spec["subjects"].get("phantom")
    age = {}
    if source == "phantom" and phantom:
        age = {"gestational_age_weeks": phantom["gestational_age_weeks"]}
    own = spec["groups"][group]["anatomy"] if group else ()
    output = {key: spec["output"][key] for key in ("uncertainty", "original")}
    return {
        "subject": age,
        "anatomy": (*spec["anatomy"], *own),
        "appearance": spec.get("appearance", {}) | output,
        **({"acquisition": spec["acquisition"]} if "acquisition" in spec else {}),
    }


def axes(filled: Template) -> list[Axis]:
    """The sweeps, each with its values by full parameter name; all zips together are one."""
    found: list[Axis] = []
    zipped: dict[str, tuple[Any, ...]] = {}

    def note(name: str, word: str, node: Any) -> None:
        if word == "zip":
            zipped[name] = tuple(node[word])
        elif word in SWEEPS:
            found.append(tuple({name: value} for value in swept(word, node[word])))
        elif "count" in node:
            found.append(tuple({name: f"draw{i}"} for i in range(node["count"])))

    fill(filled, note)
    if zipped:
        rows = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)]
        # where a column is left out (no phantoms, no age), rows may repeat: they are one case
        found.append(tuple({json.dumps(row): row for row in rows}.values()))
    return found


def size(found: list[Axis]) -> int:
    """How many variants there are."""
    return math.prod(len(axis) for axis in found)


def variant(found: list[Axis], index: int) -> Variant:
    """The variant at a position in the product, the last sweep turning fastest."""
    chosen: list[Variant] = []
    for axis in reversed(found):
        index, place = divmod(index, len(axis))
        chosen.append(axis[place])
    return {name: value for row in reversed(chosen) for name, value in row.items()}


def fill(whole: Template, value: Callable[[str, str, Any], Any]) -> Any:
    """A copy of a template with every parameter replaced by value(full name, word, node)."""

    def filled(node: Any, path: Path) -> Any:
        if isinstance(node, dict):
            word = word_of(node)
            if word is not None:
                return value(full_name(path, whole["anatomy"]), word, node)
            return {k: filled(v, (*path, k)) for k, v in node.items()}
        if isinstance(node, tuple | list):
            return [filled(v, (*path, i)) for i, v in enumerate(node)]
        return node

    return filled(whole, ())


def full_name(path: Path, anatomy: Any) -> str:
    """A parameter's full name. An edit goes by its operator, numbered from the second on, so
    that its draws do not change when another edit is put before it; an axis by its letter."""
    if path[0] == "anatomy":
        index, operator, *rest = path[1:]
        assert isinstance(index, int)
        earlier = sum(operator in edit for edit in anatomy[:index])
        numbered = f"{operator}_{earlier + 1}" if earlier else operator
        if rest and isinstance(rest[-1], int):
            rest[-2:] = [f"{rest[-2]}_{AXES[rest[-1]]}"]
        return ".".join(map(str, (numbered, *rest)))
    return ".".join(map(str, path))


def check_zips(spec: dict[str, Any], group: str) -> None:
    """Raises the error of a validator where zips are not of one length, or a row comes twice.

    spec: a plain render recipe, of which the cases of one group are looked at.
    """
    places: list[Path] = [("subjects", "phantom"), ("anatomy",), ("acquisition",)]
    places += [("groups", group, "anatomy")] if group else []
    found = {path: values for place in places for path, values in _zips(_at(spec, place), place)}
    lengths = {path: len(values) for path, values in found.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{dotted(path)} has {n}" for path, n in lengths.items())
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


def _at(spec: dict[str, Any], place: Path) -> Any:
    node: Any = spec
    for key in place:
        node = node.get(key, {})
    return node


def _zips(node: Any, path: Path) -> Iterator[tuple[Path, tuple[Any, ...]]]:
    """Every zip below a plain value, by where it stands."""
    if word_of(node) == "zip":
        yield path, tuple(node["zip"])
    elif isinstance(node, dict | tuple | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from _zips(value, (*path, key))
