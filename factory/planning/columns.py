"""The columns of a dataset's table, by the parameters of its recipe."""

from collections.abc import Sequence
from typing import Any

from factory.acquisition import section as acquisition_section
from factory.anatomy.edits.registry import OPERATORS, split_edit
from factory.config.parameters import extremes
from factory.config.sweep_keywords import parameter_keyword
from factory.planning.groups import CaseGroup
from factory.planning.sweeps import fill_template, full_name


def edit_numbers(
    index: int, anatomy: list[dict[str, Any]], template: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Every number of a filled edit, as asked and as carried out, by its full name; of words and
    of lists what was swept or drawn, as the edit's template says."""
    operator, given = split_edit(anatomy[index])
    _, asked = split_edit(template[index])
    found: dict[tuple[str | int, ...], Any] = {}
    for key, value in {**given, **OPERATORS[operator].resolve_parameters(given)}.items():
        node = asked.get(key)
        if _is_number(value) or parameter_keyword(node) is not None:
            found[(key,)] = value
        elif isinstance(node, tuple | list):
            found |= {
                (key, i): value[i] for i, v in enumerate(node) if parameter_keyword(v) is not None
            }
    return {full_name(("anatomy", index, operator, *at), anatomy): v for at, v in found.items()}


def recipe_columns(every: list[CaseGroup]) -> dict[str, str]:
    """Columns by full parameter name: of every group, and of edits that `when` may switch off,
    so that one number never has two columns in a dataset."""
    names: dict[str, Any] = {}
    for part in every:
        filled = fill_template(part.template, lambda _, __, node: extremes(node)[0])
        for index in range(len(filled["anatomy"])):
            names |= edit_numbers(index, filled["anatomy"], part.template["anatomy"])
        names |= acquisition_section.filled_numbers(filled.get("acquisition", {}))
    return {name: column for column, name in _columns({name: name for name in names}).items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """Full parameter names to short ones: the last word where no other parameter has it."""
    last = [
        acquisition_section.column_of_parameter(name)
        if name.startswith("acquisition.")
        else name.rpartition(".")[2]
        for name in values
    ]
    return {
        word if last.count(word) == 1 else name.replace(".", "_"): value
        for word, (name, value) in zip(last, values.items(), strict=True)
    }
