"""JSON Schemas of recipes, so that editors complete and check them."""

from dataclasses import dataclass
from typing import Any, Union

from pydantic import TypeAdapter

from factory.errors import FactoryError
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class SchemaReport:
    """A JSON Schema, printed whole."""

    content: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return self.content

    def lines(self) -> list[str]:
        import json

        return json.dumps(self.content, indent=2, ensure_ascii=False).splitlines()


def recipe_schema(kind: str) -> SchemaReport:
    """The JSON Schema of render or of train recipes. Raises FactoryError for another kind.

    What is required is required of files that include nothing: what an included file gives, no
    editor knows.
    """
    kinds = {"render": _render, "train": _train}
    if kind not in kinds:
        hint = nearest_name_hint(kind, kinds)
        raise FactoryError(f"schema: value {kind}; allowed: {join_names(kinds)}{hint}")
    schema = kinds[kind]()
    return SchemaReport({"$schema": DIALECT, **schema, "title": f"A {kind} recipe of the factory"})


def _render() -> dict[str, Any]:
    from factory.schema.render_recipe import RenderRecipe

    schema = RenderRecipe.model_json_schema()
    required = {"required": schema.pop("required")}
    return schema | {"if": {"required": ["include"]}, "then": {}, "else": required}


def _train() -> dict[str, Any]:
    """One schema a family, told apart by the key `family`."""
    from factory.families.registry import FAMILIES

    any_family: Any = Union[tuple(family.Recipe for family in FAMILIES.values())]  # noqa: UP007  (a union made at run time)
    return TypeAdapter(any_family).json_schema()
