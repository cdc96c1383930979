"""Edits whose size is given in mm, or as a grade that is translated to mm."""

from typing import ClassVar

from pydantic import model_validator

from factory.anatomy.edits.operator import Operator, list_options
from factory.config.parameters import Option
from factory.config.section import problem
from factory.config.types import TISSUES, Grade, Millimetres
from factory.storage.json_value import JsonObject
from factory.text import join_names


class Graded(Operator):
    """An edit whose size is given in mm, or as a grade that grades_mm translates.

    Attributes:
        size: The name of the parameter that is the size in mm.
    """

    size: ClassVar[str]

    grade: Option[Grade] | None = None
    grades_mm: dict[Grade, Millimetres] | None = None

    @model_validator(mode="after")
    def _check_size(self) -> "Graded":
        if self.has_another_size():
            return self
        if (getattr(self, self.size) is None) == (self.grade is None):
            both = self.grade is not None
            text = (
                f"both {self.size} and grade are given" if both else f"no {self.size} and no grade"
            )
            raise problem(f"{text}; allowed: {self.size}, or grade with grades_mm")
        if self.grade is not None and not self.grades_mm:
            raise problem("grade needs grades_mm; allowed: e.g. {0: 0, 1: 1.5}", at=("grade",))
        if self.grade is None and self.grades_mm is not None:
            raise problem("grades_mm without grade", at=("grades_mm",))
        for at, grade in list_options(self.grade):
            if grade not in (self.grades_mm or {}):
                words = f"{join_names(sorted(self.grades_mm or {}))} (the keys of grades_mm)"
                text = "value {value}; allowed: {words}"
                raise problem(text, grade, at=("grade", *at), words=words)
        return self

    def has_another_size(self) -> bool:
        """Return whether a parameter of the edit's own says its size."""
        return False

    @classmethod
    def resolve_parameters(cls, values: JsonObject) -> JsonObject:
        """Return the parameters of a case with the size in mm in place of the grade."""
        if "grade" not in values:
            return values
        others = {k: v for k, v in values.items() if k not in ("grade", "grades_mm")}
        return {cls.size: values["grades_mm"][values["grade"]], **others}


def check_into(into: tuple[str, ...]) -> None:
    """Raise a validator's error if the ventricles cannot grow into one of the tissues."""
    if not into or "ventricles" in into or len(set(into)) < len(into):
        others = join_names(t for t in TISSUES if t != "ventricles")
        text = "value {value}; allowed: a list, without repeats, of {others}"
        raise problem(text, into, at=("into",), others=others)
