"""The edits of label maps that a recipe may name.

To add one: a class of its parameters in this folder, and one line in `Edit`. The class says which
function does it, called as function(label, spacing, table, image=…, **parameters) ->
(label, image) or (label, image, record); a record's values become columns of the dataset, after
the operator's name. An edit that makes the subject older or younger records `age_weeks`.
"""

import importlib
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, model_validator

from factory.anatomy.edits.operator import Operator
from factory.anatomy.edits.shape import Asymmetry, CerebellarHypoplasia, Deform, Grow, Microcephaly
from factory.anatomy.edits.tissue import (
    CorpusCallosumAgenesis,
    CorticalThinning,
    ExternalCsf,
    Lesion,
)
from factory.anatomy.edits.ventricles import DilateVentricles, Ventriculomegaly
from factory.config.parameters import extremes, word_of
from factory.config.section import Section, allowed, problem
from factory.text import listed


class Edit(Section):
    """One edit of the label map: one operator by its name, and when it applies."""

    when: Annotated[str, Field(min_length=1), allowed("a condition in words")] | None = None
    dilate_ventricles: DilateVentricles | None = None
    ventriculomegaly: Ventriculomegaly | None = None
    deform: Deform | None = None
    cortical_thinning: CorticalThinning | None = None
    corpus_callosum_agenesis: CorpusCallosumAgenesis | None = None
    external_csf: ExternalCsf | None = None
    lesion: Lesion | None = None
    microcephaly: Microcephaly | None = None
    grow: Grow | None = None
    asymmetry: Asymmetry | None = None
    cerebellar_hypoplasia: CerebellarHypoplasia | None = None

    @model_validator(mode="after")
    def _one(self) -> "Edit":
        given = _given(self)
        if len(given) != 1:
            words = listed(operator_names())
            raise problem(f"{len(given)} operators; allowed: one of {words}")
        return self


def operator_names() -> list[str]:
    return [name for name in Edit.model_fields if name != "when"]


def operator_of(edit: Edit) -> str:
    """The name of the operator that an edit is."""
    return _given(edit)[0]


def _given(edit: Edit) -> list[str]:
    return [name for name in operator_names() if getattr(edit, name) is not None]


def operator_class(name: str) -> type[Operator]:
    """The class of an operator's parameters."""
    kinds = Edit.model_fields[name].annotation.__args__  # type: ignore[union-attr]
    return kinds[0]


def operator_function(name: str) -> Callable[..., Any]:
    """What carries an operator out."""
    module, _, function = operator_class(name).function.partition(":")
    return getattr(importlib.import_module(module), function)


def of(edit: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operator's name and its parameters, of a recipe's plain edit or of a case's."""
    return next((name, values) for name, values in edit.items() if name not in ("when", "as"))


def number_names(edit: Edit) -> set[str]:
    """Names of the numbers that an edit is given: what conditions after it may compare."""
    _, values = of(edit.model_dump(exclude_none=True))
    return {name for name, value in values.items() if _numeric(value)}


def _numeric(value: Any) -> bool:
    if isinstance(value, dict) and word_of(value) is None:
        return False
    return all(isinstance(v, int | float) and type(v) is not bool for v in extremes(value))
