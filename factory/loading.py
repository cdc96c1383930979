"""A YAML file and --set overrides -> a validated model, every mistake one line with its place.

    hydrocephalus.yaml:12: anatomy[0].dilate_ventricles.grade: value 7; allowed: 0, 1, 2, 3, 4

Schemas derive from `Section`, which names the keys it has, and wrap their types in `allowed`,
which says in words what a value may be.
"""

import difflib
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML

from factory.errors import RecipeError
from factory.yaml_lines import Document, Path, dotted, read_yaml, shown

WORDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What to say for pydantic's own errors, where a schema has not said it better."""


class Section(BaseModel):
    """A mapping of a recipe: frozen, strictly typed, no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        keys = list(cls.model_fields)
        if not isinstance(data, dict):
            raise problem("value {value}; allowed: a mapping with {keys}", data, keys=listed(keys))
        for key in data:
            if key not in cls.model_fields:
                raise problem(
                    f"unknown key; allowed: {listed(keys)}{nearest(key, keys)}", at=(key,)
                )
        return data


def problem(text: str, value: Any = None, *, at: Path = (), **words: str) -> PydanticCustomError:
    """An error for a validator to raise. `at` is the key it concerns, below the validator's own."""
    text = text.format(value=shown(value), **words) if words or "{value}" in text else text
    return PydanticCustomError("recipe", "{text}", {"text": text, "at": at})


def allowed(words: str) -> WrapValidator:
    """Annotates a type: whatever is wrong with a value, the message says what is allowed."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise problem("value {value}; allowed: {words}", value, words=words) from None

    return WrapValidator(check)


def one_of(names: Sequence[str]) -> WrapValidator:
    """Annotates text that must be one of some names; a misspelt one is told the nearest."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(value, str) or value not in names:
            hint = nearest(value, names)
            raise problem("value {value}; allowed: {names}", value, names=listed(names) + hint)
        return handler(value)

    return WrapValidator(check)


def listed(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in names)


def nearest(word: Any, names: Iterable[str]) -> str:
    """'; did you mean X?' or nothing."""
    found = difflib.get_close_matches(str(word), list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded(Generic[M]):
    """A validated file. spec: the model. source: the file. overrides: "key=value" as given."""

    spec: M
    source: str
    overrides: tuple[str, ...] = ()

    @property
    def data(self) -> dict[str, Any]:
        """Everything resolved, defaults included, as plain JSON; a key set to null is left out."""
        return self.spec.model_dump(mode="json", exclude_none=True)

    @property
    def digest(self) -> str:
        """sha256 of the resolved data but for output.path: where it goes is not what it is."""
        data = self.data
        if isinstance(data.get("output"), dict):
            data["output"] = {k: v for k, v in data["output"].items() if k != "path"}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def text(self) -> str:
        """The resolved data as YAML, without output.path: the same wherever it is written."""
        data = self.spec.model_dump(exclude_none=True)
        if isinstance(data.get("output"), dict):
            del data["output"]["path"]
        written = io.StringIO()
        yaml: Any = YAML(typ="safe", pure=True)
        yaml.default_flow_style = None
        yaml.sort_base_mapping_type_on_output = False
        yaml.dump(data, written)
        return written.getvalue()

    def record(self) -> dict[str, Any]:
        """What a dataset or a card keeps of it, as plain JSON."""
        return {
            "source": self.source,
            "overrides": list(self.overrides),
            "resolved": self.data,
            "digest": self.digest,
        }


def load(file: str | File, schema: type[M], overrides: Sequence[str] = ()) -> Loaded[M]:
    """Read `file`, apply "a.b.0.c=YAML" overrides, validate against `schema`.

    Raises RecipeError, one line: file, line (or --set), key, value, what is allowed.
    """
    name = str(file)
    try:
        text = File(file).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{name}: not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{name}: cannot be read: {reason}") from None
    return parse(text, name, schema, overrides)


def parse(text: str, name: str, schema: type[M], overrides: Sequence[str] = ()) -> Loaded[M]:
    """As `load`, from text; `name` is what messages call it."""
    document = read_yaml(text, name)
    if not isinstance(document.data, dict):
        words = listed(schema.model_fields)
        raise RecipeError(
            f"{name}:1: value {shown(document.data)}; allowed: a mapping with {words}"
        )
    for override in overrides:
        document = _override(document, override, name)
    try:
        return Loaded(schema.model_validate(document.data), name, tuple(overrides))
    except ValidationError as error:
        raise RecipeError(_line(error.errors(include_url=False)[0], document)) from None


def _override(document: Document, override: str, name: str) -> Document:
    """The document with one key set; parents that are missing are made."""
    key, equals, text = override.partition("=")
    key = key.strip()
    place = f"{name}: --set {shown(override)}"
    if not equals or not key:
        raise RecipeError(f"{place}: allowed: KEY=VALUE, e.g. subjects.phantom.count=8")
    value = read_yaml(text, place)
    parts = key.replace("[", ".").replace("]", "").split(".")
    path: Path = tuple(int(p) if p.isascii() and p.isdigit() and len(p) < 9 else p for p in parts)

    places = {p: v for p, v in document.places.items() if p[: len(path)] != path}
    places |= {(*path, *p): place for p in value.places}
    places |= {path[:n]: place for n in range(1, len(path)) if path[:n] not in places}
    return Document(_replaced(document.data, path, value.data, place), places)


def _replaced(data: Any, path: Path, value: Any, place: str, depth: int = 0) -> Any:
    """A copy of data with value at path[depth:]."""
    if depth == len(path):
        return value
    key = path[depth]
    if data is None:
        data = {}
    if isinstance(data, dict):
        return {**data, key: _replaced(data.get(key), path, value, place, depth + 1)}
    here = dotted(path[:depth])
    if not isinstance(data, tuple):
        raise RecipeError(f"{place}: {here}: value {shown(data)} has no key {key!r}")
    if not isinstance(key, int) or key >= len(data):
        raise RecipeError(f"{place}: {here}: no item {key}; allowed: 0 to {len(data) - 1}")
    return (
        *data[:key],
        _replaced(data[key], path, value, place, depth + 1),
        *data[key + 1 :],
    )


def _line(error: ErrorDetails, document: Document) -> str:
    """One pydantic error as one line."""
    context = error.get("ctx", {})
    # <name> is a branch of a union and [key] a mapping's key: neither is a key of the file
    path = tuple(p for p in error["loc"] if str(p)[:1] + str(p)[-1:] not in ("<>", "[]"))
    path += tuple(context.get("at", ()))
    if error["type"] == "recipe":
        text = error["msg"]
    elif error["type"] == "missing":
        text = "missing; this key is required"
    elif error["type"] in WORDS:
        text = f"value {shown(error['input'])}; allowed: {WORDS[error['type']]}"
    else:
        text = f"value {shown(error['input'])}; {error['msg']}"
    known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in document.places)
    place = document.places[known]
    return " ".join(f"{place}: {dotted(path)}: {text}".replace(": :", ":").split())
