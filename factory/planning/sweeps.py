"""The parameters of a recipe's cases, their full names, and the product of their sweeps."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from factory.config.document import KeyPath
from factory.config.parameters import sweep_values
from factory.config.sweep_keywords import SWEEPS, parameter_keyword
from factory.storage.json_value import JsonObject, JsonValue
from factory.subjects.registry import SOURCES

Variant = dict[str, JsonValue]
"""Swept values by full parameter name."""

Sweep = tuple[Variant, ...]
"""One factor of the product of sweeps: what each of its values contributes to a variant."""

AXES = "zyx"
"""The axes of an edit's lists of three numbers."""


@dataclass(frozen=True)
class CaseTemplate:
    """The sections of a recipe that hold the parameters of a case, as plain JSON.

    In a template parameters are plain nodes such as {"uniform": [1, 4]}; in a filled template they
    are values.

    Attributes:
        subject: The parameters of the subject.
        anatomy: The edits, first those of the recipe and then those of the group.
        appearance: How the label map is painted, and which images are stored.
        acquisition: How the volume is scanned; empty if it is not.
    """

    subject: JsonObject
    anatomy: Sequence[JsonObject]
    appearance: JsonObject
    acquisition: JsonObject = field(default_factory=dict)


def case_template(spec: JsonObject, source: str, group: str) -> CaseTemplate:
    """Return the template of the cases of a source in a group.

    Args:
        spec: A plain render recipe.
        source: The name of the source.
        group: The name of the group, "" in a recipe without groups.
    """
    section_of_group: JsonObject = spec["groups"][group] if group else {}
    section = (section_of_group.get("subjects") or spec["subjects"]).get(source)
    group_edits = section_of_group.get("anatomy", ())
    look = section_of_group.get("appearance") or spec.get("appearance", {})
    if isinstance(look, str):
        look = {"family": look}
    elif "contrast" in look:
        look = {"family": "contrast", **look}
    output = {key: spec["output"][key] for key in ("uncertainty", "original")}
    return CaseTemplate(
        subject=SOURCES[source].parameters(section) if section else {},
        anatomy=(*spec["anatomy"], *group_edits),
        appearance=look | output,
        acquisition=section_of_group.get("acquisition") or spec.get("acquisition", {}),
    )


def sweep_axes(template: CaseTemplate) -> list[Sweep]:
    """Return the sweeps of a template, each with its values; all zips together are one sweep."""
    sweeps: list[Sweep] = []
    zipped: dict[str, tuple[JsonValue, ...]] = {}

    def collect(name: str, keyword: str, node: JsonObject) -> None:
        if keyword == "zip":
            zipped[name] = tuple(node[keyword])
        elif keyword in SWEEPS:
            sweeps.append(tuple({name: value} for value in sweep_values(keyword, node[keyword])))
        elif "count" in node:
            sweeps.append(tuple({name: f"draw{i}"} for i in range(node["count"])))

    fill_template(template, collect)
    if zipped:
        rows = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)]
        # rows may repeat if this template lacks a column (no phantoms, no age): they are one case
        sweeps.append(tuple({json.dumps(row): row for row in rows}.values()))
    return sweeps


def count_variants(sweeps: Sequence[Sweep]) -> int:
    """Return the number of variants in the product of sweeps."""
    return math.prod(len(sweep) for sweep in sweeps)


def variant_at(sweeps: Sequence[Sweep], index: int) -> Variant:
    """Return the variant at a position in the product; the last sweep changes fastest."""
    selected: list[Variant] = []
    for sweep in reversed(sweeps):
        index, position = divmod(index, len(sweep))
        selected.append(sweep[position])
    return {name: value for row in reversed(selected) for name, value in row.items()}


def fill_template(
    template: CaseTemplate, value: Callable[[str, str, JsonObject], JsonValue]
) -> CaseTemplate:
    """Return a copy of a template in which every parameter is replaced.

    Args:
        template: The template.
        value: Returns the value of a parameter from its full name, its keyword and its plain node.
    """

    def fill(node: JsonValue, path: KeyPath) -> JsonValue:
        if isinstance(node, dict):
            keyword = parameter_keyword(node)
            if keyword is not None:
                return value(full_name(path, template.anatomy), keyword, node)
            return {k: fill(v, (*path, k)) for k, v in node.items()}
        if isinstance(node, tuple | list):
            return [fill(v, (*path, i)) for i, v in enumerate(node)]
        return node

    # this order of the sections decides the order of the sweeps
    return CaseTemplate(
        subject=fill(template.subject, ("subject",)),
        anatomy=fill(template.anatomy, ("anatomy",)),
        appearance=fill(template.appearance, ("appearance",)),
        acquisition=fill(template.acquisition, ("acquisition",)),
    )


def full_name(path: KeyPath, anatomy: Sequence[JsonObject]) -> str:
    """Return the full name of a parameter.

    An edit is named by its operator, and from the second edit of one operator on also by a number,
    so that its draws stay the same if another edit is inserted before it. An axis is named by its
    letter.
    """
    if path[0] == "anatomy":
        index, operator, *rest = path[1:]
        assert isinstance(index, int)
        earlier = sum(operator in edit for edit in anatomy[:index])
        numbered = f"{operator}_{earlier + 1}" if earlier else operator
        if rest and isinstance(rest[-1], int):
            rest[-2:] = [f"{rest[-2]}_{AXES[rest[-1]]}"]
        return ".".join(map(str, (numbered, *rest)))
    return ".".join(map(str, path))
