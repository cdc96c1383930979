"""The parameters of a recipe's cases, their full names, and the product of their sweeps."""

import json
import math
from collections.abc import Callable
from typing import Any

from factory.config.document import KeyPath
from factory.config.parameters import sweep_values
from factory.config.sweep_keywords import SWEEPS, parameter_keyword
from factory.subjects.registry import SOURCES

Template = dict[str, Any]
Variant = dict[str, Any]
Axis = tuple[Variant, ...]
AXES = "zyx"  # of an edit's lists of three numbers


def case_template(spec: dict[str, Any], source: str, group: str) -> Template:
    """What a case of this source and group holds parameters in. spec: a plain render recipe."""
    section = spec["subjects"].get(source)
    drawn = SOURCES[source].parameters(section) if section else {}
    own = spec["groups"][group]["anatomy"] if group else ()
    output = {key: spec["output"][key] for key in ("uncertainty", "original")}
    return {
        "subject": drawn,
        "anatomy": (*spec["anatomy"], *own),
        "appearance": spec.get("appearance", {}) | output,
        **({"acquisition": spec["acquisition"]} if "acquisition" in spec else {}),
    }


def sweep_axes(filled: Template) -> list[Axis]:
    """The sweeps, each with its values by full parameter name; all zips together are one."""
    found: list[Axis] = []
    zipped: dict[str, tuple[Any, ...]] = {}

    def note(name: str, word: str, node: Any) -> None:
        if word == "zip":
            zipped[name] = tuple(node[word])
        elif word in SWEEPS:
            found.append(tuple({name: value} for value in sweep_values(word, node[word])))
        elif "count" in node:
            found.append(tuple({name: f"draw{i}"} for i in range(node["count"])))

    fill_template(filled, note)
    if zipped:
        rows = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)]
        # where a column is left out (no phantoms, no age), rows may repeat: they are one case
        found.append(tuple({json.dumps(row): row for row in rows}.values()))
    return found


def count_variants(found: list[Axis]) -> int:
    """How many variants there are."""
    return math.prod(len(axis) for axis in found)


def variant_at(found: list[Axis], index: int) -> Variant:
    """The variant at a position in the product, the last sweep turning fastest."""
    chosen: list[Variant] = []
    for axis in reversed(found):
        index, place = divmod(index, len(axis))
        chosen.append(axis[place])
    return {name: value for row in reversed(chosen) for name, value in row.items()}


def fill_template(whole: Template, value: Callable[[str, str, Any], Any]) -> Any:
    """A copy of a template with every parameter replaced by value(full name, word, node)."""

    def filled(node: Any, path: KeyPath) -> Any:
        if isinstance(node, dict):
            word = parameter_keyword(node)
            if word is not None:
                return value(full_name(path, whole["anatomy"]), word, node)
            return {k: filled(v, (*path, k)) for k, v in node.items()}
        if isinstance(node, tuple | list):
            return [filled(v, (*path, i)) for i, v in enumerate(node)]
        return node

    return filled(whole, ())


def full_name(path: KeyPath, anatomy: Any) -> str:
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
