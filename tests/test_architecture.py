"""The direction of the arrows: what may import what."""

import ast
from pathlib import Path

import pytest
from support.places import ROOT

PACKAGES = ("factory", "models", "storage")

ALLOWED = {
    "ray": ("factory/execution/", "factory/evaluation/parallel.py"),
    "zarr": ("storage/",),
    "fsspec": ("storage/",),
    "torch": (
        "models/",
        "factory/families/",
        "factory/training/",
        "factory/rendering/",
        "factory/evaluation/",
        "factory/metrics/",
        "factory/subjects/",
        "factory/execution/training_job.py",
        "factory/torch/",
    ),
    "pickle": (),
}


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for package in imported(path) & ALLOWED.keys():
        assert place.startswith(ALLOWED[package]), f"{place} imports {package}"
