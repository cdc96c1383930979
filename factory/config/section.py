"""The base class of the sections of a document, and validators for the values of their keys."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from factory.config.document import Document, KeyPath, yaml_excerpt
from factory.config.units import key_hint
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

UNKNOWN = "unknown key"
"""The start of the message for such an error; its place is the key, not the value."""


class Section(BaseModel):
    """A mapping of a document: immutable, strictly typed, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def prepare(cls, document: Document, folder: Path) -> Document:
        """Change the content of a file before it is checked.

        A schema overrides this to insert what the file only names, such as the preset of a scanner.

        Args:
            document: The content.
            folder: The folder of the file.

        Raises:
            RecipeError: What the file names cannot be read.
        """
        return document

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        if cls.model_config.get("extra") == "ignore":
            return data
        keys = list(cls.model_fields)
        if not isinstance(data, dict):
            raise problem(
                "value {value}; allowed: a mapping with {keys}", data, keys=join_names(keys)
            )
        for key in data if cls.model_config.get("extra") != "allow" else ():
            if key not in cls.model_fields:
                raise unknown_key(key, keys)
        return data


def problem(
    text: str, value: Any = None, *, at: KeyPath = (), column: int = 0, **words: str
) -> PydanticCustomError:
    """Return an error for a validator to raise.

    Args:
        text: The message; "{value}" and the names of `words` are replaced in it.
        value: The wrong value.
        at: The key that is wrong, relative to the key of the validator.
        column: The position of the mistake within a text.
        words: Further replacements.
    """
    text = text.format(value=yaml_excerpt(value), **words) if words or "{value}" in text else text
    return PydanticCustomError("recipe", "{text}", {"text": text, "at": at, "column": column})


def unknown_key(key: str, keys: Sequence[str], at: KeyPath = ()) -> PydanticCustomError:
    """Return the error of a key that is none of the allowed ones, with the nearest of them.

    Args:
        key: The key.
        keys: The allowed keys.
        at: Where the mapping with the key stands, relative to the key of the validator.
    """
    hint = key_hint(key, keys) or nearest_name_hint(key, keys)
    return problem(f"{UNKNOWN}; allowed: {join_names(keys)}{hint}", at=(*at, key))


class Check(WrapValidator):
    """A validator that also describes the allowed values in the JSON Schema, for editors."""

    schema: ClassVar[JsonObject] = {}

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> JsonObject:
        return {**handler(core), **self.schema}


def _make_check(function: Callable[[Any, Callable[[Any], Any]], Any], schema: JsonObject) -> Check:
    check: Check = type("Check", (Check,), {"schema": schema})(function)
    return check


def allowed(words: str) -> Check:
    """Return an annotation for a type: if a value is wrong, the message has these words."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise problem("value {value}; allowed: {words}", value, words=words) from None

    return _make_check(check, {"description": words})


def one_of(names: Sequence[str], *others: str) -> Check:
    """Return an annotation for a text that must be one of some names.

    The message for a misspelt name suggests the nearest one.

    Args:
        names: The names.
        others: Other values that the key takes, in words, for the message.
    """

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(value, str) or value not in names:
            hint = nearest_name_hint(value, names)
            words = join_names((*names, *others)) + hint
            raise problem("value {value}; allowed: {names}", value, names=words)
        return handler(value)

    return _make_check(check, {"enum": list(names)})
