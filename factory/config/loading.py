"""A YAML file and --set overrides -> a validated model, every mistake one line with its place.

    hydrocephalus.yaml:12:14: anatomy[0].dilate_ventricles.grade: value 7; allowed: 0, 1, 2, 3, 4

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
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML

from factory.config.document import Document, Path, dotted, read_yaml, shown
from factory.config.merge import included, overridden, read_text
from factory.config.units import key_hint, value_hint
from factory.errors import RecipeError

WORDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What to say for pydantic's own errors, where a schema has not said it better."""


UNKNOWN = "unknown key"
"""How such an error begins: it is placed at the key, not at its value."""


class Section(BaseModel):
    """A mapping of a recipe: frozen, strictly typed, no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def prepared(cls, document: Document, folder: File) -> Document:
        """A file's content before it is checked; a schema may fill in what the file only names.

        folder: the file's. Raises RecipeError, one line.
        """
        return document

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        keys = list(cls.model_fields)
        if not isinstance(data, dict):
            raise problem("value {value}; allowed: a mapping with {keys}", data, keys=listed(keys))
        for key in data:
            if key not in cls.model_fields:
                hint = key_hint(key, keys) or nearest(key, keys)
                raise problem(f"{UNKNOWN}; allowed: {listed(keys)}{hint}", at=(key,))
        return data


def problem(
    text: str, value: Any = None, *, at: Path = (), column: int = 0, **words: str
) -> PydanticCustomError:
    """An error for a validator to raise.

    at: the key it concerns, below the validator's own. column: how far into a text it lies.
    """
    text = text.format(value=shown(value), **words) if words or "{value}" in text else text
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
            hint = nearest(value, names)
            words = listed((*names, *others)) + hint
            raise problem("value {value}; allowed: {names}", value, names=words)
        return handler(value)

    return _check(check, {"enum": list(names)})


def listed(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in names)


def nearest(word: Any, names: Iterable[str]) -> str:
    """'; did you mean X?' or nothing."""
    found = difflib.get_close_matches(str(word), list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


M = TypeVar("M", bound=Section)


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

    Raises RecipeError, one line: file, line and column (or --set), key, value, what is allowed.
    """
    return parse(read_text(file), str(file), schema, overrides)


def parse(text: str, name: str, schema: type[M], overrides: Sequence[str] = ()) -> Loaded[M]:
    """As `load`, from text; `name` is what messages call it, and includes lie beside it."""
    document = included(read_yaml(text, name), File(name).parent)
    if not isinstance(document.data, dict):
        words = listed(schema.model_fields)
        raise RecipeError(
            f"{name}:1:1: value {shown(document.data)}; allowed: a mapping with {words}"
        )
    for override in overrides:
        document = overridden(document, override, name)
    document = schema.prepared(document, File(name).parent)
    try:
        return Loaded(schema.model_validate(document.data), name, tuple(overrides))
    except ValidationError as error:
        raise RecipeError(_line(error.errors(include_url=False)[0], document)) from None


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
    text += value_hint(error["input"], path) if "allowed" in text else ""
    known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in document.places)
    place = document.places[known]
    if text.startswith(UNKNOWN):
        place = document.keys.get(known, place)
    elif context.get("column"):
        place = _further(place, context["column"])
    return " ".join(f"{place}: {dotted(path)}: {text}".replace(": :", ":").split())


def _further(place: str, columns: int) -> str:
    """A place so many columns on; one in --set has none."""
    start, _, column = place.rpartition(":")
    return f"{start}:{int(column) + columns}" if column.isdigit() else place
