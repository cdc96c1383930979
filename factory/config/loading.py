"""Read a YAML file and --set overrides into a validated model.

Each mistake is one line with its place:

    hydrocephalus.yaml:12:14: anatomy[0].dilate_ventricles.grade: value 7; allowed: 0, 1, 2, 3, 4

Schemas derive from `Section`, which checks the names of the keys. They annotate their types with
`allowed`, which states in words which values are allowed.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML

from factory.config.document import Document, KeyPath, dotted_key, read_yaml, yaml_excerpt
from factory.config.merge import apply_override, merge_includes, read_text
from factory.config.section import UNKNOWN, Section
from factory.config.units import value_hint
from factory.errors import RecipeError
from factory.storage.json_value import JsonObject
from factory.text import join_names

WORDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What is allowed, for pydantic's own errors, where a schema has no words for it."""


M = TypeVar("M", bound=Section)


@dataclass(frozen=True)
class CheckedDocument(Generic[M]):
    """A validated YAML file.

    Attributes:
        spec: The content as a model.
        source: The name of the file.
        overrides: The "KEY=VALUE" lines of --set.
        places: "file:line:column" of each value by its path, for messages.
    """

    spec: M
    source: str
    overrides: tuple[str, ...] = ()
    places: Mapping[KeyPath, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def data(self) -> JsonObject:
        """The content as plain JSON, with defaults; a key that is null is left out."""
        return self.spec.model_dump(mode="json", exclude_none=True)

    @property
    def digest(self) -> str:
        """The sha256 of the content without output.path, which does not change the data."""
        data = self.data
        if isinstance(data.get("output"), dict):
            data["output"] = {k: v for k, v in data["output"].items() if k != "path"}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def text(self) -> str:
        """Return the content as YAML without output.path, the same for every output."""
        data = self.spec.model_dump(exclude_none=True)
        if isinstance(data.get("output"), dict):
            del data["output"]["path"]
        stream = io.StringIO()
        yaml: Any = YAML(typ="safe", pure=True)  # its attributes have no types
        yaml.default_flow_style = None
        yaml.sort_base_mapping_type_on_output = False
        yaml.dump(data, stream)
        return stream.getvalue()

    def record(self) -> JsonObject:
        """Return what a dataset or a model card stores of the file, as plain JSON."""
        return {
            "source": self.source,
            "overrides": list(self.overrides),
            "resolved": self.data,
            "digest": self.digest,
        }


def load_document(
    file: str | Path, schema: type[M], overrides: Sequence[str] = ()
) -> CheckedDocument[M]:
    """Read a file, apply overrides, and validate the content.

    Args:
        file: The YAML file.
        schema: The model of the content.
        overrides: "KEY=VALUE" lines, where KEY is a dotted path and VALUE is YAML.

    Raises:
        RecipeError: Something is wrong. The message is one line: file, line and column (or --set),
            key, value and what is allowed.
    """
    return parse_document(read_text(file), str(file), schema, overrides)


def parse_document(
    text: str, name: str, schema: type[M], overrides: Sequence[str] = ()
) -> CheckedDocument[M]:
    """Validate a text as `load_document` validates a file.

    Args:
        text: The YAML text.
        name: The name of the file for messages; included files are in the same folder.
        schema: The model of the content.
        overrides: "KEY=VALUE" lines.

    Raises:
        RecipeError: As for `load_document`.
    """
    document = merge_includes(read_yaml(text, name), Path(name).parent)
    if not isinstance(document.data, dict):
        words = join_names(schema.model_fields)
        raise RecipeError(
            f"{name}:1:1: value {yaml_excerpt(document.data)}; allowed: a mapping with {words}"
        )
    for override in overrides:
        document = apply_override(document, override, name)
    document = schema.prepare(document, Path(name).parent)
    try:
        spec = schema.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(_error_line(error.errors(include_url=False)[0], document)) from None
    return CheckedDocument(spec, name, tuple(overrides), document.places)


def _error_line(error: ErrorDetails, document: Document) -> str:
    """Return one pydantic error as one line."""
    context = error.get("ctx", {})
    # <name> is a branch of a union and [key] a mapping's key: neither is a key of the file
    path = tuple(p for p in error["loc"] if str(p)[:1] + str(p)[-1:] not in ("<>", "[]"))
    path += tuple(context.get("at", ()))
    if error["type"] == "recipe":
        text = error["msg"]
    elif error["type"] == "missing":
        text = "missing; this key is required"
    elif error["type"] in WORDS:
        text = f"value {yaml_excerpt(error['input'])}; allowed: {WORDS[error['type']]}"
    else:
        text = f"value {yaml_excerpt(error['input'])}; {error['msg']}"
    text += value_hint(error["input"], path) if "allowed" in text else ""
    # a missing key has no place, so the place of the nearest section above it is used
    placed = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in document.places)
    place = document.places[placed]
    if text.startswith(UNKNOWN):
        place = document.keys.get(placed, place)
    elif context.get("column"):
        place = _shift_place(place, context["column"])
    return " ".join(f"{place}: {dotted_key(path)}: {text}".replace(": :", ":").split())


def _shift_place(place: str, columns: int) -> str:
    """Return a place moved by a number of columns; a place in --set has no column and stays."""
    start, _, column = place.rpartition(":")
    return f"{start}:{int(column) + columns}" if column.isdigit() else place
