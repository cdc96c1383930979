"""Types of plain JSON data that has no more specific type."""

from typing import Any

JsonValue = Any
"""None, a bool, a number, a string, a list or a JsonObject.

It is `Any`, since the code that reads a value knows its type and checks it.
"""

JsonObject = dict[str, JsonValue]
"""A JSON object, e.g. of a file, a section of a recipe, a model card or a subject's record."""
