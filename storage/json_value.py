"""Names for plain JSON data that has not been given a type of its own."""

from typing import Any

JsonValue = Any
"""None, a bool, a number, a string, a list or a JsonObject. `Any`, since what a plug-in or a file
holds under a key is known to whoever checks it, not here."""

JsonObject = dict[str, JsonValue]
"""A JSON object: of a file, a recipe's section, a model's card, a subject's record."""
