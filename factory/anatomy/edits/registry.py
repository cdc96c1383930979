"""The edits of label maps that a recipe may name: one folder of this package for each.

A folder's `__init__` defines the class of its parameters as OPERATOR (see Operator). The numerics
beside it are imported only when the edit is applied.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from factory.anatomy.edits.operator import Operator
from factory.config.parameters import extremes
from factory.config.section import Section, allowed, problem
from factory.config.sweep_keywords import parameter_keyword
from factory.discovery import discover
from factory.storage.json_value import JsonObject, JsonValue
from factory.text import join_names

OPERATORS: Mapping[str, type[Operator]] = discover("factory.anatomy.edits", "OPERATOR")
"""Every edit's class by its name."""


class EditBase(Section):
    """One edit of the label map: one operator by its name, and when it applies."""

    when: Annotated[str, Field(min_length=1), allowed("a condition in words")] | None = None

    @model_validator(mode="after")
    def _check_one_operator(self) -> "EditBase":
        names = self._operator_names()
        if len(names) != 1:
            raise problem(f"{len(names)} operators; allowed: one of {join_names(OPERATORS)}")
        return self

    @property
    def operator_name(self) -> str:
        """The name of the edit's operator."""
        return self._operator_names()[0]

    @property
    def operator(self) -> Operator:
        """The edit's operator, with its parameters."""
        operator: Operator = getattr(self, self.operator_name)
        return operator

    def number_names(self) -> set[str]:
        """Return the names of its numeric parameters, which later conditions may compare."""
        values = self.operator.model_dump(exclude_none=True)
        return {name for name, value in values.items() if _is_numeric(value)}

    def _operator_names(self) -> list[str]:
        return [name for name in OPERATORS if getattr(self, name) is not None]


_fields: Any = {name: (kind | None, None) for name, kind in OPERATORS.items()}  # as create_model
Edit: type[EditBase] = create_model("Edit", __base__=EditBase, __doc__=EditBase.__doc__, **_fields)


def split_edit(edit: Mapping[str, JsonValue]) -> tuple[str, JsonObject]:
    """Return the operator's name and its parameters, from an edit of a recipe or of a case."""
    return next((name, values) for name, values in edit.items() if name not in ("when", "as"))


def _is_numeric(value: JsonValue) -> bool:
    """Return whether a parameter is a number, or a sweep or draw of numbers."""
    if isinstance(value, dict) and parameter_keyword(value) is None:
        return False
    return all(isinstance(v, int | float) and type(v) is not bool for v in extremes(value))
