"""The keywords that make a mapping of a recipe a parameter. No section has keys of these names."""

from factory.storage.json_value import JsonValue

SWEEPS = ("each", "range", "zip")
DRAWS = ("uniform", "normal", "lognormal", "choice")
WORDS = (*SWEEPS, *DRAWS)


def parameter_keyword(node: JsonValue) -> str | None:
    """Return the keyword of a plain mapping that is a parameter, or None for anything else."""
    if not isinstance(node, dict) or len(node) > 2 or not node.keys() <= {*WORDS, "count"}:
        return None
    keywords = [key for key in node if key in WORDS]
    return keywords[0] if len(keywords) == 1 else None
