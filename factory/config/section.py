"""What sections of a document derive from, and how they say what a value may be."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from factory.config.document import Document, KeyPath, yaml_excerpt
from factory.config.units import key_hint
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

UNKNOWN = "unknown key"
"""How such an error begins: it is placed at the key, not at its value."""


class Section(BaseModel):
    """A mapping of a recipe: frozen, strictly typed, no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def prepare(cls, document: Document, folder: Path) -> Document:
        """A file's content before it is checked; a schema may fill in what the file only names.

        folder: the file's. Raises RecipeError, one line.
        """
        return document

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        keys = list(cls.model_fields)
        if not isinstance(data, dict):
            raise problem(
                "value {value}; allowed: a mapping with {keys}", data, keys=join_names(keys)
            )
        for key in data:
            if key not in cls.model_fields:
                hint = key_hint(key, keys) or nearest_name_hint(key, keys)
                raise problem(f"{UNKNOWN}; allowed: {join_names(keys)}{hint}", at=(key,))
        return data


def problem(
    text: str, value: Any = None, *, at: KeyPath = (), column: int = 0, **words: str
) -> PydanticCustomError:
    """An error for a validator to raise.

    at: the key it concerns, below the validator's own. column: how far into a text it lies.
    """
    text = text.format(value=yaml_excerpt(value), **words) if words or "{value}" in text else text
    return PydanticCustomError("recipe", "{text}", {"text": text, "at": at, "column": column})


class Check(WrapValidator):
    """A validator that also says in the JSON Schema what it allows, for editors to show."""

    schema: ClassVar[dict[str, Any]] = {}

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core), **self.schema}


def _check(function: Callable[[Any, Callable[[Any], Any]], Any], schema: dict[str, Any]) -> Check:
    return type("Check", (Check,), {"schema": schema})(function)


def allowed(words: str) -> Check:
    """Annotates a type: whatever is wrong with a value, the message says what is allowed."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise problem("value {value}; allowed: {words}", value, words=words) from None

    return _check(check, {"description": words})


def one_of(names: Sequence[str], *others: str) -> Check:
    """Annotates text that must be one of some names; a misspelt one is told the nearest.

    others: what else the key takes, in words, for the message.
    """

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(value, str) or value not in names:
            hint = nearest_name_hint(value, names)
            words = join_names((*names, *others)) + hint
            raise problem("value {value}; allowed: {names}", value, names=words)
        return handler(value)

    return _check(check, {"enum": list(names)})
