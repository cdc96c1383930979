"""What may stand where a recipe wants a value: the value, a sweep, or a distribution.

grade: 2
grade: {each: [0, 1, 2]}                                  every one: a case each
grade: {choice: [0, 2]}  or  {choice: {0: 0.7, 2: 0.3}}   one of them, by weight
radius_mm: {uniform: [1, 4]}
radius_mm: {normal: {mean: 3, sd: 1, min: 0, max: 6}}     truncated to [min, max]
"""

import json
from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from factory.loading import Section, allowed, listed, nearest, problem

T = TypeVar("T")
Weight = Annotated[float, Field(ge=0, le=1e9), allowed("a weight of 0 or more")]
Spread = Annotated[float, Field(gt=0, le=1e9), allowed("a number above 0")]

WORDS = ("each", "uniform", "normal", "choice")
"""The words that make a mapping a parameter; no section has a key of these names."""


class Each(Section, Generic[T]):
    """A sweep: every value in turn."""

    each: tuple[T, ...]

    @model_validator(mode="after")
    def _distinct(self) -> "Each[T]":
        if not self.each:
            raise problem("value {value}; allowed: a list of at least one value", (), at=("each",))
        seen = [json.dumps(_plain(value), sort_keys=True) for value in self.each]
        for index, value in enumerate(seen):
            if value in seen[:index]:
                at = ("each", index)
                raise problem("value {value}; listed twice", _plain(self.each[index]), at=at)
        return self


class Uniform(Section, Generic[T]):
    """Any number from low to high."""

    uniform: tuple[T, T]

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform[T]":
        low, high = self.uniform
        if low > high:  # type: ignore[operator]
            raise problem("value {value}; allowed: [low, high]", self.uniform, at=("uniform",))
        return self


class NormalValues(Section, Generic[T]):
    mean: T
    sd: Spread
    min: T
    max: T

    @model_validator(mode="after")
    def _reachable(self) -> "NormalValues[T]":
        if self.min > self.max:  # type: ignore[operator]
            raise problem(f"value {self.min}; allowed: at most max, {self.max}", at=("min",))
        curve = NormalDist(self.mean, self.sd)  # type: ignore[arg-type]
        if curve.cdf(self.max) - curve.cdf(self.min) < 1e-3:  # type: ignore[arg-type]
            raise problem("fewer than one draw in a thousand lies from min to max", at=("mean",))
        return self


class Normal(Section, Generic[T]):
    """A normal distribution truncated to [min, max]."""

    normal: NormalValues[T]


class Choice(Section, Generic[T]):
    """One of some values, equally likely or by weight."""

    choice: Annotated[
        Annotated[tuple[T, ...], Tag("<list>")] | Annotated[dict[T, Weight], Tag("<weights>")],
        Discriminator(lambda value: "<weights>" if isinstance(value, Mapping) else "<list>"),
    ]

    @model_validator(mode="after")
    def _possible(self) -> "Choice[T]":
        weights = list(self.choice.values()) if isinstance(self.choice, dict) else self.choice
        if not weights or (isinstance(self.choice, dict) and not sum(self.choice.values()) > 0):
            raise problem("allowed: at least one value of a weight above 0", at=("choice",))
        return self


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Section) else value


def _kind(value: Any) -> str:
    """The branch a value belongs to, as it is read (a dict) or written back (a model)."""
    if isinstance(value, Section):
        return f"<{next(iter(type(value).model_fields))}>"
    word = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else None
    return f"<{word}>" if word in WORDS else "<value>"


def _is_parameter(*words: str) -> BeforeValidator:
    """Refuses a mapping that is none of `words`, naming the nearest."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and (len(value) != 1 or next(iter(value)) not in words):
            key = next((key for key in value if key not in words), None)
            hint = nearest(key, words)
            text = "value {value}; allowed: a value or one of {words}"
            raise problem(text, value, words=listed(words) + hint)
        return value

    return BeforeValidator(check)


class Number(Generic[T]):
    """Number[T]: a number, a sweep, or any distribution."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, item: Any) -> Any:
            return Annotated[
                Annotated[item, Tag("<value>")]
                | Annotated[Each[item], Tag("<each>")]
                | Annotated[Uniform[item], Tag("<uniform>")]
                | Annotated[Normal[item], Tag("<normal>")]
                | Annotated[Choice[item], Tag("<choice>")],
                Discriminator(_kind),
                _is_parameter("each", "uniform", "normal", "choice"),
            ]


class Option(Generic[T]):
    """Option[T]: a value of a kind that has no in-between: given, swept or chosen."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, item: Any) -> Any:
            return Annotated[
                Annotated[item, Tag("<value>")]
                | Annotated[Each[item], Tag("<each>")]
                | Annotated[Choice[item], Tag("<choice>")],
                Discriminator(_kind),
                _is_parameter("each", "choice"),
            ]
