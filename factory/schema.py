"""JSON Schemas of recipes, so that editors complete and check them."""

from dataclasses import dataclass
from typing import Any

from factory.errors import FactoryError
from factory.loading import Section, listed, nearest

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
    kinds = _kinds()
    if kind not in kinds:
        hint = nearest(kind, kinds)
        raise FactoryError(f"schema: value {kind}; allowed: {listed(kinds)}{hint}")
    schema = kinds[kind].model_json_schema()
    if "include" in schema["properties"]:
        required = {"required": schema.pop("required")}
        schema |= {"if": {"required": ["include"]}, "then": {}, "else": required}
    return SchemaReport({"$schema": DIALECT, **schema, "title": f"A {kind} recipe of the factory"})


def _kinds() -> dict[str, type[Section]]:
    from factory.recipe import RenderRecipe
    from factory.train.recipe import SpadeTraining

    return {"render": RenderRecipe, "train": SpadeTraining}
