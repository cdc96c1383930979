"""The JSON Schemas of recipes, with which editors complete and check them."""

from dataclasses import dataclass
from typing import Any, Union

from pydantic import TypeAdapter

from factory.errors import FactoryError
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class SchemaReport:
    """A JSON Schema as a report."""

    content: JsonObject

    def to_json(self) -> JsonObject:
        """Return the schema."""
        return self.content

    def lines(self) -> list[str]:
        """Return the schema as lines of JSON."""
        import json

        return json.dumps(self.content, indent=2, ensure_ascii=False).splitlines()


def recipe_schema(kind: str) -> SchemaReport:
    """Return the JSON Schema of render or training recipes.

    A key is required only in a file without `include`, because an editor does not know the keys of
    an included file.

    Args:
        kind: "render" or "train".

    Raises:
        FactoryError: The kind is another one.
    """
    kinds = {"render": _render_schema, "train": _train_schema}
    if kind not in kinds:
        hint = nearest_name_hint(kind, kinds)
        raise FactoryError(f"schema: value {kind}; allowed: {join_names(kinds)}{hint}")
    schema = kinds[kind]()
    return SchemaReport({"$schema": DIALECT, **schema, "title": f"A {kind} recipe of the factory"})


def _render_schema() -> JsonObject:
    from factory.schema.render_recipe import RenderRecipe

    schema = RenderRecipe.model_json_schema()
    required = {"required": schema.pop("required")}
    return schema | {"if": {"required": ["include"]}, "then": {}, "else": required}


def _train_schema() -> JsonObject:
    """Return a union of the schemas of all families, which the key `family` tells apart."""
    from factory.families.registry import TRAINABLE

    any_family: Any = Union[tuple(family.Recipe for family in TRAINABLE.values())]  # noqa: UP007  (a union made at run time)
    return TypeAdapter(any_family).json_schema()
