"""The edits of label maps that a recipe may name.

To add one: a class of its parameters, and one line in `Edit`. The class says which function does
it, called as function(label, spacing, table, image=…, **parameters) -> (label, image) or
(label, image, record); a record's values become columns of the dataset, after the operator's name.
"""

import importlib
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factory.loading import Section, allowed, listed, one_of, problem
from factory.parameters import Number, Option, extremes, swept, word_of
from factory.quantities import (
    TISSUES,
    Grade,
    Millimetres,
    Scale,
    Share,
    Shear,
    Smoothness,
    Tissue,
    Turn,
    WarpMillimetres,
)


class Operator(Section):
    """An edit of the label map: its fields are its parameters, with their units in their names.

    function: "module:name", imported when it is first run. random: whether it takes `seed`, a
    whole number that belongs to the case.
    """

    function: ClassVar[str]
    random: ClassVar[bool] = False

    @classmethod
    def carried_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Parameters as the function takes them, from those a case has been given."""
        return values


class DilateVentricles(Operator):
    """The lateral ventricles dilated by radius_mm, or by a grade that grades_mm translates."""

    function: ClassVar[str] = "factory.anatomy.ventricles:dilate_ventricles"

    grade: Option[Grade] | None = None
    grades_mm: dict[Grade, Millimetres] | None = None
    radius_mm: Number[Millimetres] | None = None
    into: tuple[Tissue, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "DilateVentricles":
        if (self.radius_mm is None) == (self.grade is None):
            both = self.grade is not None
            text = "both radius_mm and grade are given" if both else "no radius_mm and no grade"
            raise problem(f"{text}; allowed: radius_mm, or grade with grades_mm")
        if self.grade is not None and not self.grades_mm:
            raise problem("grade needs grades_mm; allowed: e.g. {0: 0, 1: 1.5}", at=("grade",))
        if self.grade is None and self.grades_mm is not None:
            raise problem("grades_mm without grade", at=("grades_mm",))
        for at, grade in _options(self.grade):
            if grade not in (self.grades_mm or {}):
                words = f"{listed(sorted(self.grades_mm or {}))} (the keys of grades_mm)"
                text = "value {value}; allowed: {words}"
                raise problem(text, grade, at=("grade", *at), words=words)
        if not self.into or "ventricles" in self.into or len(set(self.into)) < len(self.into):
            others = listed(t for t in TISSUES if t != "ventricles")
            text = "value {value}; allowed: a list, without repeats, of {others}"
            raise problem(text, self.into, at=("into",), others=others)
        return self

    @classmethod
    def carried_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "grade" not in values:
            return values
        return {"radius_mm": values["grades_mm"][values["grade"]], "into": values["into"]}


class Ventriculomegaly(Operator):
    """The lateral ventricles widened until the atrium measures atrial_width_mm.

    mode dilate: grown into the tissues of `into`. mode displace: the wall pushes the brain
    outwards, within mantle_min_mm, csf_min_share and parenchyma_loss_max.
    """

    function: ClassVar[str] = "factory.anatomy.ventriculomegaly:ventriculomegaly"
    of_one_mode: ClassVar[dict[str, str]] = {
        "into": "dilate",
        "mantle_min_mm": "displace",
        "csf_min_share": "displace",
        "parenchyma_loss_max": "displace",
    }

    atrial_width_mm: Number[Millimetres]
    mode: Annotated[Literal["dilate", "displace"], one_of(("dilate", "displace"))] = "dilate"
    side: Annotated[Literal["both", "left", "right"], one_of(("both", "left", "right"))] = "both"
    ratio: Number[Share] | None = None
    into: tuple[Tissue, ...] | None = None
    mantle_min_mm: Millimetres | None = None
    csf_min_share: Share | None = None
    parenchyma_loss_max: Share | None = None

    @model_validator(mode="after")
    def _of_its_mode(self) -> "Ventriculomegaly":
        for name, mode in self.of_one_mode.items():
            if getattr(self, name) is not None and self.mode != mode:
                raise problem(f"mode {self.mode} has no {name}; allowed: mode {mode}", at=(name,))
        if self.ratio is not None and self.side == "both":
            raise problem("ratio with side both; allowed: side left or right", at=("ratio",))
        return self


class Deform(Operator):
    """A random diffeomorphic warp with turning, scaling and shearing, about (z, y, x)."""

    function: ClassVar[str] = "factory.anatomy.deform:deform"
    random: ClassVar[bool] = True

    warp_mm: Number[WarpMillimetres]
    smoothness_mm: Smoothness = 12.0
    rotation_degrees: tuple[Turn, Turn, Turn] = (0.0, 0.0, 0.0)
    scale: tuple[Scale, Scale, Scale] = (1.0, 1.0, 1.0)
    shear: tuple[Shear, Shear, Shear] = (0.0, 0.0, 0.0)
    flip: bool = False


class Edit(Section):
    """One edit of the label map: one operator by its name, and when it applies."""

    when: Annotated[str, Field(min_length=1), allowed("a condition in words")] | None = None
    dilate_ventricles: DilateVentricles | None = None
    ventriculomegaly: Ventriculomegaly | None = None
    deform: Deform | None = None

    @model_validator(mode="after")
    def _one(self) -> "Edit":
        given = [name for name in operator_names() if getattr(self, name) is not None]
        if len(given) != 1:
            words = listed(operator_names())
            raise problem(f"{len(given)} operators; allowed: one of {words}")
        return self


def operator_names() -> list[str]:
    return [name for name in Edit.model_fields if name != "when"]


def operator_class(name: str) -> type[Operator]:
    """The class of an operator's parameters."""
    kinds = Edit.model_fields[name].annotation.__args__  # type: ignore[union-attr]
    return kinds[0]


def operator_function(name: str) -> Callable[..., Any]:
    """What carries an operator out."""
    module, _, function = operator_class(name).function.partition(":")
    return getattr(importlib.import_module(module), function)


def of(edit: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operator's name and its parameters, of a plain edit."""
    return next((name, values) for name, values in edit.items() if name != "when")


def number_names(edit: Edit) -> set[str]:
    """Names of the numbers that an edit is given: what conditions after it may compare."""
    _, values = of(edit.model_dump(exclude_none=True))
    return {name for name, value in values.items() if _numeric(value)}


def _numeric(value: Any) -> bool:
    if isinstance(value, dict) and word_of(value) is None:
        return False
    return all(isinstance(v, int | float) and type(v) is not bool for v in extremes(value))


def _options(value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """Each value an Option may take, with its place below the parameter."""
    plain = value.model_dump(exclude_none=True) if isinstance(value, Section) else value
    word = word_of(plain)
    if word is None:
        return [] if plain is None else [((), plain)]
    body = plain[word]
    if word == "range":
        return [((word,), v) for v in swept(word, body)]
    weighted = isinstance(body, dict)
    return [((word, v if weighted else i), v) for i, v in enumerate(body)]
