"""The words that make a mapping of a recipe a parameter; no section has a key of these names."""

from typing import Any

SWEEPS = ("each", "range", "zip")
DRAWS = ("uniform", "normal", "lognormal", "choice")
WORDS = (*SWEEPS, *DRAWS)


def parameter_keyword(node: Any) -> str | None:
    """The word that makes a plain mapping a parameter; None where it is none."""
    if not isinstance(node, dict) or len(node) > 2 or not node.keys() <= {*WORDS, "count"}:
        return None
    words = [key for key in node if key in WORDS]
    return words[0] if len(words) == 1 else None
