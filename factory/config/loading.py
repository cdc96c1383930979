"""A YAML file and --set overrides -> a validated model, every mistake one line with its place.

    hydrocephalus.yaml:12:14: anatomy[0].dilate_ventricles.grade: value 7; allowed: 0, 1, 2, 3, 4

Schemas derive from `Section`, which names the keys it has, and wrap their types in `allowed`,
which says in words what a value may be.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML

from factory.config.document import Document, dotted_key, read_yaml, yaml_excerpt
from factory.config.merge import apply_override, merge_includes, read_text
from factory.config.section import UNKNOWN, Section
from factory.config.units import value_hint
from factory.errors import RecipeError
from factory.text import join_names

WORDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What to say for pydantic's own errors, where a schema has not said it better."""


M = TypeVar("M", bound=Section)


@dataclass(frozen=True)
class CheckedDocument(Generic[M]):
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


def load_document(
    file: str | Path, schema: type[M], overrides: Sequence[str] = ()
) -> CheckedDocument[M]:
    """Read `file`, apply "a.b.0.c=YAML" overrides, validate against `schema`.

    Raises RecipeError, one line: file, line and column (or --set), key, value, what is allowed.
    """
    return parse_document(read_text(file), str(file), schema, overrides)


def parse_document(
    text: str, name: str, schema: type[M], overrides: Sequence[str] = ()
) -> CheckedDocument[M]:
    """As `load`, from text; `name` is what messages call it, and includes lie beside it."""
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
        return CheckedDocument(schema.model_validate(document.data), name, tuple(overrides))
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
        text = f"value {yaml_excerpt(error['input'])}; allowed: {WORDS[error['type']]}"
    else:
        text = f"value {yaml_excerpt(error['input'])}; {error['msg']}"
    text += value_hint(error["input"], path) if "allowed" in text else ""
    known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in document.places)
    place = document.places[known]
    if text.startswith(UNKNOWN):
        place = document.keys.get(known, place)
    elif context.get("column"):
        place = _further(place, context["column"])
    return " ".join(f"{place}: {dotted_key(path)}: {text}".replace(": :", ":").split())


def _further(place: str, columns: int) -> str:
    """A place so many columns on; one in --set has none."""
    start, _, column = place.rpartition(":")
    return f"{start}:{int(column) + columns}" if column.isdigit() else place
