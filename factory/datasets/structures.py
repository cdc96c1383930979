"""Which labels and regions a recipe is about, and which columns say most about them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory.storage.json_value import JsonObject, JsonValue
from factory.storage.subjects.types import LabelTable

if TYPE_CHECKING:
    import pandas as pd


def structure_names(recipe: JsonObject) -> set[str]:
    """Return the regions of a resolved recipe, and the labels that its edits and gate name.

    Other words of its edits are among them; no column ends in those.
    """
    names = set(recipe.get("regions") or {}) | set(recipe.get("gate") or {})
    measures = recipe.get("measures")
    texts = _texts(measures if isinstance(measures, dict) else None)
    return names | set(texts) | {text for edit in _edits(recipe) for text in _texts(edit)}


@dataclass(frozen=True)
class SliceLabels:
    """The labels through whose centre pictures slice.

    Attributes:
        values: Their values; () stands for all labels.
        has_two_sides: Whether they lie on both sides, so that sagittal slices go through the right.
    """

    values: tuple[int, ...] = ()
    has_two_sides: bool = False


def slice_labels(table: LabelTable, recipe: JsonObject) -> SliceLabels:
    """Return the labels through whose centre pictures slice.

    They are the ventricles of a fetal head; else the structure that the recipe's first edit of one
    changes; else the lateral ventricles of an adult head.
    """
    if "ventricles" in table.names:
        return SliceLabels((table.index("ventricles"),), has_two_sides=True)
    structures = [*table.names[1:], *(name for name, _ in table.regions)]
    edited = [
        parameters["structure"]
        for edit in _edits(recipe)
        for parameters in edit.values()
        if isinstance(parameters, dict) and parameters.get("structure") in structures
    ]
    names = edited[:1] or [name for name in table.names if name.endswith("lateral_ventricle")]
    values = tuple(value for name in names for value in table.values_of(name))
    return SliceLabels(values, has_two_sides=len(values) > 1)


def select_columns(
    table: "pd.DataFrame", columns: Sequence[str], names: Collection[str], most: int
) -> list[str]:
    """Return the columns that say most, in their order.

    They are those of the structures that the recipe names, then those that vary most relative to
    their mean.

    Args:
        table: The table of cases.
        columns: Columns of numbers.
        names: The labels and regions that the recipe names, see `structure_names`.
        most: How many columns are returned at most.
    """
    if len(columns) <= most:
        return list(columns)
    ends = tuple(f"_{name}" for name in names)

    def rank(column: str) -> tuple[bool, float]:
        values = table[column].dropna().astype(float)
        spread = float(values.std(ddof=0)) / max(float(values.abs().mean()), 1e-9)
        return not column.endswith(ends), -spread

    selected = set(sorted(columns, key=rank)[:most])
    return [column for column in columns if column in selected]


def telling_columns(
    table: "pd.DataFrame", recipe: JsonObject, usual: Sequence[str], most: int
) -> list[str]:
    """Return the usual columns that have values; without any, the volumes that say most.

    Args:
        table: The table of cases.
        recipe: The resolved recipe.
        usual: Names of columns of fetal heads.
        most: How many volumes are returned at most.
    """
    present = [name for name in usual if name in table and table[name].notna().any()]
    if present:
        return present
    numbers = table.select_dtypes("number")
    volumes = [str(name) for name in numbers if str(name).startswith("volume_ml_")]
    return select_columns(table, volumes, structure_names(recipe), most)


def _edits(recipe: JsonObject) -> Iterator[JsonObject]:
    """Yield the edits of all subjects and groups."""
    groups = (recipe.get("groups") or {}).values()
    for steps in (recipe.get("anatomy"), *(group.get("anatomy") for group in groups)):
        yield from steps or ()


def _texts(node: JsonValue) -> Iterable[str]:
    """Yield the texts within a JSON value."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _texts(child)
