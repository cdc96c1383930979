"""The folders of the repository, and the environment of a process that imports from them."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
RECIPES = ROOT / "recipes"
WEIGHTS = ROOT / "models" / "weights"


def environment(**more: str) -> dict[str, str]:
    """This process's environment, in which `factory` and `support` can be imported."""
    path = os.pathsep.join([str(ROOT), str(TESTS)])
    return {**os.environ, "PYTHONPATH": path, **more}
