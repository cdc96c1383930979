"""The columns of a dataset's table, derived from the parameters of its recipe."""

from collections.abc import Sequence

from factory.acquisition import section as acquisition_section
from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.config.document import KeyPath
from factory.config.parameters import extremes
from factory.config.sweep_keywords import parameter_keyword
from factory.families.contrast import columns as contrast_columns
from factory.planning.groups import CaseGroup
from factory.planning.sweeps import fill_template, full_name
from factory.storage.json_value import JsonObject, JsonValue


def edit_numbers(
    index: int, anatomy: Sequence[JsonObject], template: Sequence[JsonObject]
) -> dict[str, JsonValue]:
    """Return the numbers of a filled edit by full parameter name.

    These are the numbers of the recipe and those that the edit derives from them. A word or an item
    of a list is included only if it is swept or drawn.

    Args:
        index: The position of the edit.
        anatomy: All filled edits.
        template: All edits of the recipe, with their parameters.
    """
    operator, parameters = split_edit(anatomy[index])
    _, nodes = split_edit(template[index])
    numbers: dict[KeyPath, JsonValue] = {}
    for key, value in {**parameters, **OPERATORS[operator].resolve_parameters(parameters)}.items():
        node = nodes.get(key)
        if is_number(value) or parameter_keyword(node) is not None:
            numbers[(key,)] = value
        elif isinstance(node, tuple | list):
            numbers |= {
                (key, i): value[i] for i, v in enumerate(node) if parameter_keyword(v) is not None
            }
    return {full_name(("anatomy", index, operator, *at), anatomy): v for at, v in numbers.items()}


def recipe_columns(groups: Sequence[CaseGroup]) -> dict[str, str]:
    """Return the column of each parameter by its full name.

    All groups are considered, and also edits that `when` may switch off, so that a number has the
    same column in the whole dataset.
    """
    names: dict[str, JsonValue] = {}
    for group in groups:
        filled = fill_template(group.template, lambda _, __, node: extremes(node)[0])
        for index in range(len(filled.anatomy)):
            names |= edit_numbers(index, filled.anatomy, group.template.anatomy)
        names |= contrast_columns.contrast_numbers(filled.appearance.get("contrast"))
        names |= acquisition_section.filled_numbers(filled.acquisition)
    return {name: column for column, name in short_names({name: name for name in names}).items()}


def is_number(value: JsonValue) -> bool:
    """Return whether a value is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def short_names(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Replace full parameter names by their last word where no other parameter has the same one."""
    last_words = [_column_of_parameter(name) for name in values]
    return {
        word if last_words.count(word) == 1 else name.replace(".", "_"): value
        for word, (name, value) in zip(last_words, values.items(), strict=True)
    }


def _column_of_parameter(name: str) -> str:
    """Return the column of a parameter, where no other parameter has the same one."""
    if name.startswith("acquisition."):
        return acquisition_section.column_of_parameter(name)
    if name.startswith(contrast_columns.PREFIX):
        return contrast_columns.contrast_column(name)
    return name.rpartition(".")[2]
