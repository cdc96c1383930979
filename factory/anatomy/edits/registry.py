"""The edits of label maps that a recipe may name: one folder of this package each.

A folder's `__init__` defines the class of its parameters as OPERATOR (see Operator); the numerics
beside it are imported once the edit is carried out.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from factory.anatomy.edits.operator import Operator
from factory.config.parameters import extremes
from factory.config.section import Section, allowed, problem
from factory.config.sweep_keywords import parameter_keyword
from factory.discovery import discover
from factory.text import join_names

OPERATORS: Mapping[str, type[Operator]] = discover("factory.anatomy.edits", "OPERATOR")


class EditBase(Section):
    """One edit of the label map: one operator by its name, and when it applies."""

    when: Annotated[str, Field(min_length=1), allowed("a condition in words")] | None = None

    @model_validator(mode="after")
    def _one(self) -> "EditBase":
        if len(self._given()) != 1:
            words = join_names(OPERATORS)
            raise problem(f"{len(self._given())} operators; allowed: one of {words}")
        return self

    @property
    def operator_name(self) -> str:
        """The name of the operator that the edit is."""
        return self._given()[0]

    @property
    def operator(self) -> Operator:
        """The operator that the edit is, with its parameters."""
        operator: Operator = getattr(self, self.operator_name)
        return operator

    def number_names(self) -> set[str]:
        """Names of the numbers that it is given: what conditions after it may compare."""
        values = self.operator.model_dump(exclude_none=True)
        return {name for name, value in values.items() if _is_numeric(value)}

    def _given(self) -> list[str]:
        return [name for name in OPERATORS if getattr(self, name) is not None]


_fields: Any = {name: (kind | None, None) for name, kind in OPERATORS.items()}
Edit: type[EditBase] = create_model("Edit", __base__=EditBase, __doc__=EditBase.__doc__, **_fields)


def of(edit: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operator's name and its parameters, of a recipe's plain edit or of a case's."""
    return next((name, values) for name, values in edit.items() if name not in ("when", "as"))


def _is_numeric(value: Any) -> bool:
    if isinstance(value, dict) and parameter_keyword(value) is None:
        return False
    return all(isinstance(v, int | float) and type(v) is not bool for v in extremes(value))
