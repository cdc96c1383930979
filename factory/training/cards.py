"""Model cards: what a training says of itself."""

from typing import Any


def without_paths(data: dict[str, Any]) -> dict[str, Any]:
    """A recipe without where things lay on the machine that trained it."""
    subjects = {k: v for k, v in data["subjects"].items() if k != "path"}
    return {**{k: v for k, v in data.items() if k != "output"}, "subjects": subjects}
