"""The parameters of a recipe: a fixed value, a sweep, or a distribution.

grade: 2
grade: {each: [0, 1, 2]}                                  one case for each value; sweeps multiply
radius_mm: {range: [0, 6, 1.5]}                           each of 0, 1.5, 3, 4.5, 6
radius_mm: {zip: [0, 2, 4]}                               all zips of a recipe advance together
grade: {choice: [0, 2]}  or  {choice: {0: 0.7, 2: 0.3}}   one of the values, by weight
radius_mm: {uniform: [1, 4]}
radius_mm: {normal: {mean: 3, sd: 1, min: 0, max: 6}}     truncated to [min, max]
radius_mm: {lognormal: {median: 3, spread: 1.5, min: 0.5, max: 9}}   two thirds in [2, 4.5]
radius_mm: {uniform: [1, 4], count: 5}                    five draws, one case for each
"""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from factory.config.section import Section, allowed, problem
from factory.config.sweep_keywords import SWEEPS, WORDS, parameter_keyword
from factory.storage.json_value import JsonValue
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

T = TypeVar("T")
Weight = Annotated[float, Field(ge=0, le=1e9), allowed("a weight of 0 or more")]
Spread = Annotated[float, Field(gt=0, le=1e9), allowed("a number above 0")]

Ratio = Annotated[float, Field(gt=1, le=100), allowed("a ratio above 1, at most 100")]
Draws = Annotated[int, Field(ge=1, le=10_000), allowed("a whole number from 1 to 10000")]

MOST_SWEEP_VALUES = 10_000
"""The maximum number of values of one sweep."""


def sweep_values(keyword: str, body: JsonValue) -> tuple[Any, ...]:
    """Return the values of a sweep in order.

    Args:
        keyword: "each", "range" or "zip".
        body: The plain value of the keyword.
    """
    if keyword != "range":
        return tuple(body)
    low, high, step = (Decimal(str(number)) for number in body)
    kind = type(body[0])
    return tuple(kind(low + i * step) for i in range(int((high - low) / step) + 1))


def extremes(parameter: JsonValue) -> list[float]:
    """Return numbers that include the minimum and the maximum of a plain numeric parameter."""
    keyword = parameter_keyword(parameter)
    if keyword is None:
        return [parameter]
    body = parameter[keyword]
    if keyword in ("normal", "lognormal"):
        return [body["min"], body["max"]]
    return list(sweep_values(keyword, body)) if keyword in SWEEPS else list(body)


class Each(Section, Generic[T]):
    """A sweep over a list of values."""

    each: tuple[T, ...]

    @model_validator(mode="after")
    def _distinct(self) -> "Each[T]":
        _check_count(self.each, "each")
        texts = [json.dumps(_plain(value), sort_keys=True) for value in self.each]
        for index, text in enumerate(texts):
            if text in texts[:index]:
                at = ("each", index)
                raise problem("value {value}; listed twice", _plain(self.each[index]), at=at)
        return self


class Zip(Section, Generic[T]):
    """A sweep that advances together with all other zips of the recipe."""

    zip: tuple[T, ...]

    @model_validator(mode="after")
    def _not_empty(self) -> "Zip[T]":
        _check_count(self.zip, "zip")
        return self


class Range(Section, Generic[T]):
    """A sweep [low, high, step] from low to high; it includes high if a step falls on it."""

    range: tuple[T, T, Spread]

    @model_validator(mode="after")
    def _steps(self) -> "Range[T]":
        low, high, step = self.range
        if isinstance(low, str | bool):
            raise problem("value {value}; allowed: numbers", self.range, at=("range",))
        if low > high:  # type: ignore[operator]
            raise problem("value {value}; allowed: [low, high, step]", self.range, at=("range",))
        if isinstance(low, int) and not step.is_integer():
            raise problem("value {value}; allowed: a whole step", step, at=("range", 2))
        if (high - low) / step >= MOST_SWEEP_VALUES:  # type: ignore[operator]
            raise problem(f"more than {MOST_SWEEP_VALUES} values", at=("range",))
        return self


class Uniform(Section, Generic[T]):
    """A uniform distribution over [low, high]."""

    uniform: tuple[T, T]
    count: Draws | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform[T]":
        low, high = self.uniform
        if low > high:  # type: ignore[operator]
            raise problem("value {value}; allowed: [low, high]", self.uniform, at=("uniform",))
        return self


class NormalValues(Section, Generic[T]):
    """The parameters of a truncated normal distribution."""

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
    count: Draws | None = None


class LognormalValues(Section, Generic[T]):
    """The parameters of a truncated lognormal distribution.

    About two thirds of the draws lie between median / spread and median * spread.
    """

    median: T
    spread: Ratio
    min: T
    max: T

    @model_validator(mode="after")
    def _reachable(self) -> "LognormalValues[T]":
        low, high, median = self.min, self.max, self.median
        if low > high:  # type: ignore[operator]
            raise problem(f"value {low}; allowed: at most max, {high}", at=("min",))
        if median <= 0:  # type: ignore[operator]
            raise problem("value {value}; allowed: a number above 0", median, at=("median",))
        curve = NormalDist(math.log(median), math.log(self.spread))  # type: ignore[arg-type]
        if log_cdf(curve, high) - log_cdf(curve, low) < 1e-3:  # type: ignore[arg-type]
            raise problem("fewer than one draw in a thousand lies from min to max", at=("median",))
        return self


def log_cdf(curve: NormalDist, value: float) -> float:
    """The share of a lognormal, given as the normal of its logarithm, below a value."""
    return curve.cdf(math.log(value)) if value > 0 else 0.0


class Lognormal(Section, Generic[T]):
    """A lognormal distribution truncated to [min, max]."""

    lognormal: LognormalValues[T]
    count: Draws | None = None


class Choice(Section, Generic[T]):
    """One of some values, equally likely or by weight."""

    choice: Annotated[
        Annotated[tuple[T, ...], Tag("<list>")] | Annotated[dict[T, Weight], Tag("<weights>")],
        Discriminator(lambda value: "<weights>" if isinstance(value, Mapping) else "<list>"),
    ]
    count: Draws | None = None

    @model_validator(mode="after")
    def _positive_weight(self) -> "Choice[T]":
        weights = list(self.choice.values()) if isinstance(self.choice, dict) else self.choice
        if not weights or (isinstance(self.choice, dict) and not sum(self.choice.values()) > 0):
            raise problem("allowed: at least one value of a weight above 0", at=("choice",))
        return self


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Section) else value


def _check_count(values: tuple[Any, ...], keyword: str) -> None:
    if not values:
        raise problem("value {value}; allowed: a list of at least one value", (), at=(keyword,))
    if len(values) > MOST_SWEEP_VALUES:
        raise problem(f"more than {MOST_SWEEP_VALUES} values", at=(keyword,))


def _branch_tag(value: Any) -> str:
    """Return the tag of the union's branch for a value, which is plain or already a model."""
    if isinstance(value, Section):
        return f"<{next(iter(type(value).model_fields))}>"
    keyword = parameter_keyword(value)
    return f"<{keyword}>" if keyword else "<value>"


def _is_parameter(*words: str) -> BeforeValidator:
    """Return a validator that refuses a mapping without one of the keywords `words`."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and parameter_keyword(value) not in words:
            key = next((key for key in value if key not in (*words, "count")), None)
            hint = nearest_name_hint(key, words)
            text = "value {value}; allowed: a value or one of {words}"
            raise problem(text, value, words=join_names(words) + hint)
        return value

    return BeforeValidator(check)


def _value_or_sweep(item: Any) -> Any:
    """Return the part that Number and Option have in common: a value, or a sweep over values."""
    return (
        Annotated[item, Tag("<value>")]
        | Annotated[Each[item], Tag("<each>")]
        | Annotated[Range[item], Tag("<range>")]
        | Annotated[Zip[item], Tag("<zip>")]
    )


if TYPE_CHECKING:
    Number: TypeAlias = T | Any
    Option: TypeAlias = T | Any
else:

    class Number(Generic[T]):
        """The type of a numeric parameter: Number[T] is a T, a sweep, or any distribution."""

        def __class_getitem__(cls, item: Any) -> Any:
            return Annotated[
                _value_or_sweep(item)
                | Annotated[Uniform[item], Tag("<uniform>")]
                | Annotated[Normal[item], Tag("<normal>")]
                | Annotated[Lognormal[item], Tag("<lognormal>")]
                | Annotated[Choice[item], Tag("<choice>")],
                Discriminator(_branch_tag),
                _is_parameter(*WORDS),
            ]

    class Option(Generic[T]):
        """The type of a parameter without values in between: a T, a sweep, or a choice."""

        def __class_getitem__(cls, item: Any) -> Any:
            return Annotated[
                _value_or_sweep(item) | Annotated[Choice[item], Tag("<choice>")],
                Discriminator(_branch_tag),
                _is_parameter(*SWEEPS, "choice"),
            ]
